#pragma once
// Tokenizer: bytes to items and back. A model has one: that of bytes, or one of
// SentencePiece (BPE or unigram), whose file lies in the version's folder as
// `tokenizer.model`. Items below kVocab are what they are in every model
// (model/items.h); a piece is an item of its own from kVocab on and stands for the
// same bytes always. So any bytes can be encoded, whether UTF-8 or not, decoding is a
// table, and what was encoded decodes to itself.
//
//   text  -> segments (SegmentBytes) -> pieces, each the bytes that it covers; what
//            the pieces do not cover as they stand are byte items
//
// The normalisation of a file is put aside: no bytes are changed, added or taken away,
// whatever it says. A prompt is encoded on its own: where it is cut from what follows,
// a model may see other pieces than in training; the bytes are the same.
//
// Immutable; thread-safe.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "model/items.h"
#include "model/model_config.h"

namespace strata {

inline constexpr char kTokenizerFile[] = "tokenizer.model";
// Bytes of a tokeniser's file, which is held in memory.
inline constexpr int64_t kMaxTokenizerFile = int64_t{16} << 20;

class Tokenizer {
 public:
  virtual ~Tokenizer() = default;

  virtual absl::string_view kind() const = 0;  // "bytes", "bpe", "unigram"
  // The file that it was opened from; empty for bytes.
  virtual const std::string& file() const = 0;
  // Appends the items of a segment.
  virtual void EncodeSegment(absl::string_view text,
                             std::vector<Item>* items) const = 0;

  int vocab() const { return static_cast<int>(bytes_.size()); }
  // What an item stands for: nothing where it is a special. REQUIRES: in
  // [0, vocab).
  absl::string_view BytesOf(Item item) const { return bytes_[item]; }
  int64_t longest_piece() const { return longest_; }  // bytes
  // How many pieces of each class there are, in the order of their items
  // (model/unit_rule.h); empty for bytes.
  const std::vector<int64_t>& piece_classes() const { return classes_; }

  std::vector<Item> Encode(absl::string_view text) const;
  // Specials stand for nothing.
  std::string Decode(absl::Span<const Item> items) const;

 protected:
  // `pieces`: their bytes, those of a class together, in the order of the classes.
  explicit Tokenizer(const std::vector<std::string>& pieces);

 private:
  std::vector<std::string> bytes_;  // by item
  std::vector<int64_t> classes_;
  int64_t longest_ = 1;
};

// Of models on bytes. Never null.
std::shared_ptr<const Tokenizer> ByteTokenizer();

// Opens a SentencePiece model, from its bytes. INVALID_ARGUMENT: it is none, is of
// another kind than BPE and unigram, or has more pieces than items may have;
// FAILED_PRECONDITION: there is no plug-in (model/sentencepiece_plugin.h). The message
// goes on where its caller names the file.
absl::StatusOr<std::shared_ptr<const Tokenizer>> OpenTokenizer(
    const std::string& file);

// That of a version folder whose config is given. DATA_LOSS: the two do not belong
// together; errors of OpenTokenizer.
absl::StatusOr<std::shared_ptr<const Tokenizer>> TokenizerOfVersion(
    const std::string& version_dir, const ModelConfig& config);

// Makes `config` one of a model with this tokeniser.
void AdoptTokenizer(const Tokenizer& tokenizer, ModelConfig* config);

// The first part of a text that is encoded by itself: up to the end of a line, and
// kMaxSegment bytes at most, cut before a space where there is one. Training a
// tokeniser reads the same parts. 0 of an empty text.
inline constexpr size_t kMaxSegment = 4096;
size_t SegmentBytes(absl::string_view text);

// A rendered prompt (model/chat_template.h) with its runs of bytes encoded.
std::vector<Item> EncodeItems(const Tokenizer& tokenizer,
                              std::vector<Item> rendered);

}  // namespace strata
