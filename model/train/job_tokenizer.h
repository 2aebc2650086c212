#pragma once
// The tokeniser of a job's new weights, and what it makes of the data: an imported
// file, or one that is trained on the training part, and kept as `tokenizer.model` in
// the job's folder before the first step, so that every attempt has the same. (A base
// brings its own: model/train/model_source.h.) Torch-free. Thread-compatible.

#include <functional>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "model/tokenizer.h"
#include "model/train/split.h"
#include "model/trainer.h"

namespace strata {

// Text that a tokeniser is trained on, at most: of more, parts of the whole that lie
// evenly in it.
inline constexpr int64_t kTokenizerTrainingBytes = int64_t{8} << 20;

// That of bytes where the spec names none. `train`: of bytes. `poll` is called often,
// also while a tokeniser is trained; what it returns is returned. INVALID_ARGUMENT: the
// spec's tokeniser cannot be had; DATA_LOSS: a file is damaged.
absl::StatusOr<std::shared_ptr<const Tokenizer>> JobTokenizer(
    const TrainRun& run, absl::Span<const Document> train,
    const std::function<absl::Status()>& poll);

// Documents of bytes as documents of the tokeniser's items. Runs of text between
// specials are encoded as a prompt's are (EncodeItems).
absl::Status EncodeSplit(const Tokenizer& tokenizer,
                         const std::function<absl::Status()>& poll, DataSplit* data);

}  // namespace strata
