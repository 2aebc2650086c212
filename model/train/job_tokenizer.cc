#include "model/train/job_tokenizer.h"

#include <atomic>
#include <chrono>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "model/base/status_macros.h"
#include "model/tokenizer_training.h"
#include "model/version_dir.h"

namespace strata {
namespace {

using Poll = std::function<absl::Status()>;

// The run of bytes that begins with item `at`: all trained, or none.
std::string RunOf(const Document& document, int64_t at) {
  const bool trained = document.trained(at);
  std::string run;
  for (; at < document.size() && IsByte(document.item(at)) &&
         document.trained(at) == trained;
       ++at) {
    run += static_cast<char>(document.item(at));
  }
  return run;
}

// The segments of documents, one after another.
class Segments {
 public:
  explicit Segments(absl::Span<const Document> documents) : documents_(documents) {}

  bool Next(absl::string_view* segment) {
    while (rest_.empty()) {
      if (document_ == documents_.size()) return false;
      const Document& document = documents_[document_];
      if (item_ == document.size()) {
        ++document_;
        item_ = 0;
      } else if (!IsByte(document.item(item_))) {
        ++item_;
      } else {
        run_ = RunOf(document, item_);
        item_ += static_cast<int64_t>(run_.size());
        rest_ = run_;
      }
    }
    *segment = rest_.substr(0, SegmentBytes(rest_));
    rest_.remove_prefix(segment->size());
    return true;
  }

 private:
  const absl::Span<const Document> documents_;
  size_t document_ = 0;
  int64_t item_ = 0;
  std::string run_;
  absl::string_view rest_;  // of the run
};

int64_t TextBytes(absl::Span<const Document> documents) {
  int64_t bytes = 0;
  for (const Document& document : documents) {
    for (int64_t i = 0; i < document.size(); ++i) bytes += IsByte(document.item(i));
  }
  return bytes;
}

absl::StatusOr<std::string> TrainOn(absl::Span<const Document> documents,
                                    const TrainSpec& spec) {
  Segments segments(documents);
  const auto total = static_cast<double>(TextBytes(documents));
  const double part = std::min(1.0, kTokenizerTrainingBytes / total);
  double seen = 0;
  double taken = 0;
  return TrainTokenizer(spec.tokenizer, spec.pieces, [&](absl::string_view* segment) {
    while (segments.Next(segment)) {
      seen += static_cast<double>(segment->size());
      if (taken >= seen * part) continue;
      taken += static_cast<double>(segment->size());
      return true;
    }
    return false;
  });
}

// Beside a thread that polls: SentencePiece hears nobody until it is done.
absl::StatusOr<std::string> TrainWhilePolling(absl::Span<const Document> documents,
                                              const TrainSpec& spec, const Poll& poll) {
  absl::StatusOr<std::string> file;
  std::atomic<bool> done{false};
  std::thread training([&] {
    file = TrainOn(documents, spec);
    done = true;
  });
  absl::Status polled;
  while (!done) {
    polled.Update(poll());
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  training.join();
  STRATA_RETURN_IF_ERROR(polled);
  return file;
}

// Of an earlier attempt, or trained now and kept.
absl::StatusOr<std::string> TrainedFile(const TrainRun& run,
                                        absl::Span<const Document> train,
                                        const Poll& poll) {
  const std::string path = absl::StrCat(run.job_dir, "/", kTokenizerFile);
  auto file = ReadFile(path);
  if (!absl::IsNotFound(file.status())) return file;
  STRATA_ASSIGN_OR_RETURN(file, TrainWhilePolling(train, run.spec, poll));
  STRATA_RETURN_IF_ERROR(WriteFileAtomically(path, *file));
  return file;
}

absl::StatusOr<std::string> ImportedFile(const TrainRun& run) {
  STRATA_ASSIGN_OR_RETURN(std::string file, ReadFile(run.tokenizer_path));
  if (Sha256Hex(file) == run.spec.tokenizer_sha256) return file;
  return absl::DataLossError(
      "the stored tokeniser is damaged; upload the same file again");
}

absl::StatusOr<Document> Encoded(const Tokenizer& tokenizer, const Document& from,
                                 const Poll& poll) {
  Document to;
  to.label = from.label;
  std::vector<Item> items;
  for (int64_t i = 0; i < from.size();) {
    if (!IsByte(from.item(i))) {
      to.Append(from.item(i), from.trained(i));
      ++i;
      continue;
    }
    const bool trained = from.trained(i);
    const std::string run = RunOf(from, i);
    i += static_cast<int64_t>(run.size());
    for (absl::string_view rest = run; !rest.empty();) {
      const absl::string_view segment = rest.substr(0, SegmentBytes(rest));
      rest.remove_prefix(segment.size());
      items.clear();
      tokenizer.EncodeSegment(segment, &items);
      for (const Item item : items) to.Append(item, trained);
      STRATA_RETURN_IF_ERROR(poll());
    }
  }
  return to;
}

}  // namespace

absl::StatusOr<std::shared_ptr<const Tokenizer>> JobTokenizer(
    const TrainRun& run, absl::Span<const Document> train, const Poll& poll) {
  if (!HasTokenizer(run.spec)) return ByteTokenizer();
  absl::StatusOr<std::string> file = run.spec.tokenizer.empty()
                                         ? ImportedFile(run)
                                         : TrainedFile(run, train, poll);
  if (!file.ok()) return file.status();
  auto tokenizer = OpenTokenizer(*file);
  if (tokenizer.ok()) return tokenizer;
  return absl::Status(tokenizer.status().code(),
                      absl::StrCat("the tokeniser ", tokenizer.status().message()));
}

absl::Status EncodeSplit(const Tokenizer& tokenizer, const Poll& poll,
                         DataSplit* data) {
  if (tokenizer.vocab() == kVocab) return absl::OkStatus();
  for (auto* part : {&data->train, &data->held_out}) {
    for (Document& document : *part) {
      STRATA_ASSIGN_OR_RETURN(document, Encoded(tokenizer, document, poll));
    }
  }
  return absl::OkStatus();
}

}  // namespace strata
