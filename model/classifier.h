#pragma once
// The torch-free face of a served document classifier: texts in, per text a
// distribution over the labels, its sentences with the weights that the pooling
// gave them, and vectors. Immutable weights; thread-safe.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "model/document_config.h"
#include "model/sentence_splitter.h"

namespace strata {

struct AttendedSentence {
  ByteRange range;          // of the text
  // Parts in what the layers made of the text, and of the sentence's bytes; a bag of words
  // has none. Those of a text sum to 1, as do those of a sentence.
  double weight = 0;
  std::vector<float> bytes;
  std::vector<float> vector;
};

struct Classification {
  std::vector<double> probabilities;  // by label, as config().labels; sum 1
  std::vector<AttendedSentence> sentences;
  std::vector<float> vector;          // of the text
};

class Classifier {
 public:
  virtual ~Classifier() = default;
  virtual const DocumentConfig& config() const = 0;
  virtual int64_t weight_bytes() const = 0;
  virtual std::string executor() const = 0;  // "tensor-cpu"

  // One result a text. `poll` runs before each forward pass (a few texts); what
  // it returns ends the call. REQUIRES: texts inside the config's limits (see
  // CheckText). RESOURCE_EXHAUSTED without memory.
  virtual absl::StatusOr<std::vector<Classification>> Classify(
      absl::Span<const std::string> texts,
      const std::function<absl::Status()>& poll) const = 0;
};

// OK, or INVALID_ARGUMENT "is 70000 bytes; at most 65536 are allowed" / "is
// empty …" / "has 2000 sentences …": the rest of a sentence about the text.
absl::Status CheckText(const DocumentConfig& config, absl::string_view text);

// The longest start of `text` that CheckText accepts (of a text that is not
// empty), cut between sentences, or between bytes at the limit of bytes.
absl::string_view FittingText(const DocumentConfig& config,
                              absl::string_view text);

// Opens a version folder of a document classifier: verifies the manifest, the
// config, the tensors. DATA_LOSS on a checksum mismatch.
using ClassifierLoader =
    std::function<absl::StatusOr<std::shared_ptr<const Classifier>>(
        const std::string& version_dir)>;

}  // namespace strata
