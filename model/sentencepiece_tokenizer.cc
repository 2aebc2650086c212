// OpenTokenizer: a SentencePiece model as a Tokenizer.

#include <algorithm>
#include <memory>
#include <numeric>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "model/base/status_macros.h"
#include "model/sentencepiece_file.h"
#include "model/sentencepiece_plugin.h"
#include "model/tokenizer.h"
#include "model/unit_rule.h"

namespace strata {
namespace {

using Api = StrataSentencePieceApi;

StrataSink Into(std::string* out) {
  return {out, [](void* user, const char* data, size_t size) {
            static_cast<std::string*>(user)->append(data, size);
          }};
}

// An open model, closed at the end.
class Model {
 public:
  Model(const Api* api, void* opened) : api_(api), opened_(opened, api->close) {}
  const Api& api() const { return *api_; }
  const void* get() const { return opened_.get(); }

 private:
  const Api* api_;
  std::unique_ptr<void, void (*)(void*)> opened_;
};

// The bytes of each of the model's pieces; empty where it stands for none.
std::vector<std::string> Texts(const Model& model) {
  std::vector<std::string> texts(model.api().size(model.get()));
  for (size_t id = 0; id < texts.size(); ++id) {
    std::string text;
    if (model.api().piece(model.get(), static_cast<int32_t>(id), Into(&text)) !=
        kStrataPieceText) {
      continue;
    }
    texts[id] = absl::StrReplaceAll(text, {{"\xE2\x96\x81", " "}});
  }
  return texts;
}

// The ids of pieces of two bytes and more, by class, then as the model has them.
std::vector<int> InOrder(const std::vector<std::string>& texts) {
  std::vector<int> ids;
  for (size_t id = 0; id < texts.size(); ++id) {
    if (texts[id].size() > 1) ids.push_back(static_cast<int>(id));
  }
  std::stable_sort(ids.begin(), ids.end(), [&](int a, int b) {
    return PieceClass(texts[a]) < PieceClass(texts[b]);
  });
  return ids;
}

std::vector<std::string> Chosen(const std::vector<std::string>& texts,
                                const std::vector<int>& ids) {
  std::vector<std::string> chosen;
  for (const int id : ids) chosen.push_back(texts[id]);
  return chosen;
}

class SentencePieceTokenizer final : public Tokenizer {
 public:
  SentencePieceTokenizer(std::string file, std::string kind, Model model,
                         const std::vector<std::string>& texts,
                         const std::vector<int>& ids)
      : Tokenizer(Chosen(texts, ids)),
        file_(std::move(file)),
        kind_(std::move(kind)),
        model_(std::move(model)),
        items_(texts.size(), kPad) {
    for (size_t i = 0; i < ids.size(); ++i) {
      items_[ids[i]] = kVocab + static_cast<Item>(i);
    }
  }

  absl::string_view kind() const override { return kind_; }
  const std::string& file() const override { return file_; }

  void EncodeSegment(absl::string_view text,
                     std::vector<Item>* items) const override {
    Encoding encoding = {this, text, items, 0};
    std::string error;  // what it does not encode is bytes
    model_.api().encode(model_.get(), text.data(), text.size(),
                        {&encoding,
                         [](void* user, int32_t id, size_t begin, size_t end) {
                           static_cast<Encoding*>(user)->Take(id, begin, end);
                         }},
                        Into(&error));
    encoding.Bytes(text.size());
  }

 private:
  struct Encoding {
    const SentencePieceTokenizer* tokenizer;
    absl::string_view text;
    std::vector<Item>* items;
    size_t at;  // encoded up to here

    void Take(int32_t id, size_t begin, size_t end) {
      if (begin < at || end > text.size()) return;
      Bytes(begin);
      const Item item = tokenizer->items_[id];
      const bool covers =
          IsPiece(item) && tokenizer->BytesOf(item) == text.substr(begin, end - begin);
      if (!covers) return Bytes(end);
      items->push_back(item);
      at = end;
    }
    // The rest up to `end` as byte items.
    void Bytes(size_t end) {
      for (; at < end; ++at) items->push_back(static_cast<uint8_t>(text[at]));
    }
  };

  const std::string file_;
  const std::string kind_;
  const Model model_;
  std::vector<Item> items_;  // by the model's number; kPad where there is none
};

}  // namespace

absl::StatusOr<std::shared_ptr<const Tokenizer>> OpenTokenizer(
    const std::string& file) {
  if (static_cast<int64_t>(file.size()) > kMaxTokenizerFile) {
    return absl::InvalidArgumentError(
        absl::StrCat("has ", file.size(), " bytes; at most ", kMaxTokenizerFile,
                     " are allowed of a tokeniser"));
  }
  STRATA_ASSIGN_OR_RETURN(const SentencePieceFile read, ReadSentencePieceFile(file));
  STRATA_ASSIGN_OR_RETURN(const Api* api, SentencePiecePlugin());
  std::string error;
  void* const opened = api->open(read.plain.data(), read.plain.size(), Into(&error));
  if (opened == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat("is no SentencePiece model: ", error));
  }
  Model model(api, opened);
  const std::vector<std::string> texts = Texts(model);
  const std::vector<int> ids = InOrder(texts);
  constexpr int kMost = kMaxVocab - kVocab;
  if (ids.empty() || ids.size() > kMost) {
    return absl::InvalidArgumentError(absl::StrCat(
        "has ", ids.size(), " pieces of two bytes or more; must have 1 to ", kMost));
  }
  return std::make_shared<SentencePieceTokenizer>(file, read.kind, std::move(model),
                                                  texts, ids);
}

}  // namespace strata
