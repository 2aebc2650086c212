// libstrata_sentencepiece.so: SentencePiece behind model/sentencepiece/abi.h. The one
// file that sees its headers, and it sees no other of ours.

#include <sentencepiece_processor.h>
#include <sentencepiece_trainer.h>

#include <exception>
#include <memory>
#include <string>
#include <unordered_map>

#include "model/sentencepiece/abi.h"

namespace {

using sentencepiece::SentencePieceProcessor;

void Give(const StrataSink& sink, const std::string& bytes) {
  sink.take(sink.user, bytes.data(), bytes.size());
}

// Runs what may throw or fail; nonzero where it did.
template <typename F>
int Guarded(const StrataSink& error, F run) {
  try {
    const sentencepiece::util::Status status = run();
    if (status.ok()) return 0;
    Give(error, status.message());
  } catch (const std::exception& e) {
    Give(error, e.what());
  }
  return 1;
}

class Sentences final : public sentencepiece::SentenceIterator {
 public:
  explicit Sentences(StrataSentences from) : from_(from) { Next(); }
  bool done() const override { return done_; }
  void Next() override {
    const char* data = nullptr;
    size_t size = 0;
    done_ = from_.next(from_.user, &data, &size) == 0;
    sentence_.assign(data == nullptr ? "" : data, done_ ? 0 : size);
  }
  const std::string& value() const override { return sentence_; }
  sentencepiece::util::Status status() const override { return {}; }

 private:
  const StrataSentences from_;
  std::string sentence_;
  bool done_ = false;
};

int Train(const char* const* options, StrataSentences from, StrataSink model,
          StrataSink error) {
  return Guarded(error, [&] {
    std::unordered_map<std::string, std::string> named;
    for (; *options != nullptr; options += 2) named[options[0]] = options[1];
    Sentences sentences(from);
    std::string trained;
    const auto status = sentencepiece::SentencePieceTrainer::Train(
        named, &sentences, &trained);
    if (status.ok()) Give(model, trained);
    return status;
  });
}

void* Open(const char* model, size_t size, StrataSink error) {
  auto opened = std::make_unique<SentencePieceProcessor>();
  const int failed = Guarded(error, [&] {
    return opened->LoadFromSerializedProto(std::string(model, size));
  });
  return failed != 0 ? nullptr : opened.release();
}

const SentencePieceProcessor& As(const void* model) {
  return *static_cast<const SentencePieceProcessor*>(model);
}

void Close(void* model) { delete static_cast<SentencePieceProcessor*>(model); }

int32_t Size(const void* model) { return As(model).GetPieceSize(); }

StrataPieceKind Piece(const void* model, int32_t id, StrataSink text) {
  const SentencePieceProcessor& processor = As(model);
  if (processor.IsUnknown(id) || processor.IsControl(id) ||
      processor.IsUnused(id) || processor.IsByte(id)) {
    return kStrataPieceOther;
  }
  Give(text, processor.IdToPiece(id));
  return kStrataPieceText;
}

int Encode(const void* model, const char* text, size_t size,
           StrataPieces pieces, StrataSink error) {
  return Guarded(error, [&] {
    const auto encoded =
        As(model).EncodeAsImmutableProto(absl::string_view(text, size));
    for (const auto& piece : encoded.pieces()) {
      pieces.take(pieces.user, static_cast<int32_t>(piece.id()), piece.begin(),
                  piece.end());
    }
    return sentencepiece::util::Status();
  });
}

constexpr StrataSentencePieceApi kApi = {Train, Open,  Close,
                                         Size,  Piece, Encode};

}  // namespace

extern "C" __attribute__((visibility("default"))) const StrataSentencePieceApi*
StrataSentencePieceV1() {
  return &kApi;
}
