#include "model/tokenizer.h"

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "model/base/status_macros.h"
#include "model/unit_rule.h"
#include "model/version_dir.h"

namespace strata {
namespace {

// The first byte of a character, or no UTF-8 at all.
bool MayBeginCharacter(char c) { return (static_cast<uint8_t>(c) & 0xC0) != 0x80; }

class Bytes final : public Tokenizer {
 public:
  Bytes() : Tokenizer({}) {}
  absl::string_view kind() const override { return "bytes"; }
  const std::string& file() const override { return none_; }
  void EncodeSegment(absl::string_view text,
                     std::vector<Item>* items) const override {
    for (const char c : text) items->push_back(static_cast<uint8_t>(c));
  }

 private:
  const std::string none_;
};

absl::Status CheckBelongs(const Tokenizer& tokenizer, const ModelConfig& config) {
  ModelConfig fitting = config;
  AdoptTokenizer(tokenizer, &fitting);
  if (fitting == config) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat(
      kTokenizerFile, " has ", tokenizer.vocab() - kVocab, " pieces, so vocab must be ",
      tokenizer.vocab(), "; config.json says ", config.vocab,
      fitting.vocab == config.vocab ? " and other piece_classes" : ""));
}

}  // namespace

Tokenizer::Tokenizer(const std::vector<std::string>& pieces) {
  for (int byte = 0; byte < 256; ++byte) {
    bytes_.emplace_back(1, static_cast<char>(byte));
  }
  bytes_.resize(kVocab);
  if (!pieces.empty()) classes_.resize(kPieceClasses);
  for (const std::string& piece : pieces) {
    ++classes_[PieceClass(piece)];
    longest_ = std::max(longest_, static_cast<int64_t>(piece.size()));
    bytes_.push_back(piece);
  }
}

std::vector<Item> Tokenizer::Encode(absl::string_view text) const {
  std::vector<Item> items;
  while (!text.empty()) {
    const size_t size = SegmentBytes(text);
    EncodeSegment(text.substr(0, size), &items);
    text.remove_prefix(size);
  }
  return items;
}

std::string Tokenizer::Decode(absl::Span<const Item> items) const {
  std::string text;
  for (const Item item : items) absl::StrAppend(&text, BytesOf(item));
  return text;
}

std::shared_ptr<const Tokenizer> ByteTokenizer() {
  static const auto* const bytes =
      new std::shared_ptr<const Tokenizer>(std::make_shared<Bytes>());
  return *bytes;
}

absl::StatusOr<std::shared_ptr<const Tokenizer>> TokenizerOfVersion(
    const std::string& version_dir, const ModelConfig& config) {
  const std::string path = absl::StrCat(version_dir, "/", kTokenizerFile);
  std::error_code error;
  if (!std::filesystem::exists(path, error)) {
    if (config.vocab == kVocab) return ByteTokenizer();
    return absl::DataLossError(absl::StrCat(
        "config.json has vocab ", config.vocab, ", but there is no ", path));
  }
  STRATA_ASSIGN_OR_RETURN(const std::string file, ReadFile(path));
  auto tokenizer = OpenTokenizer(file);
  if (!tokenizer.ok()) {
    return absl::Status(tokenizer.status().code(),
                        absl::StrCat(path, " ", tokenizer.status().message()));
  }
  STRATA_RETURN_IF_ERROR(CheckBelongs(**tokenizer, config));
  return tokenizer;
}

void AdoptTokenizer(const Tokenizer& tokenizer, ModelConfig* config) {
  config->vocab = tokenizer.vocab();
  for (LevelConfig& level : config->levels) {
    level.piece_classes = level.block_rule == BlockRule::kSpacelike
                              ? tokenizer.piece_classes()
                              : std::vector<int64_t>();
  }
}

size_t SegmentBytes(absl::string_view text) {
  const absl::string_view head = text.substr(0, kMaxSegment);
  const size_t line = head.find('\n');
  if (line != absl::string_view::npos) return line + 1;
  if (head.size() == text.size()) return head.size();
  const size_t space = head.rfind(' ');
  if (space != absl::string_view::npos && space > 0) return space;
  size_t end = head.size();
  while (end > head.size() - 4 && !MayBeginCharacter(text[end])) --end;
  return end;
}

std::vector<Item> EncodeItems(const Tokenizer& tokenizer,
                              std::vector<Item> rendered) {
  if (tokenizer.vocab() == kVocab) return rendered;
  std::vector<Item> items;
  for (size_t i = 0; i < rendered.size();) {
    std::string run;
    while (i < rendered.size() && IsByte(rendered[i])) {
      run += static_cast<char>(rendered[i++]);
    }
    const std::vector<Item> encoded = tokenizer.Encode(run);
    items.insert(items.end(), encoded.begin(), encoded.end());
    if (i < rendered.size()) items.push_back(rendered[i++]);
  }
  return items;
}

}  // namespace strata
