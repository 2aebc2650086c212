#pragma once
// The torch-free face of a served model: immutable weights (LoadedModel), a
// per-worker executor (Generator) and the state of one stream (Sequence).
//
// A Sequence that holds items x[0..t-1] also holds the context that predicts
// x[t]. Step feeds items and returns the logits that follow them. Level 0 runs
// for every row; an upper level only for the rows that completed a block.
// The CPU executor gives bitwise the same logits for the same items however they
// are cut into steps and whoever shares the batch (reference: model/README.md).

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "model/items.h"
#include "model/model_config.h"

namespace strata {

// Decoding state of one stream. Owned by the caller; used by one thread at a
// time; may outlive the Generator that stepped it but not the LoadedModel.
class Sequence {
 public:
  virtual ~Sequence() = default;
  virtual int64_t size() const = 0;      // items fed so far
  virtual int64_t capacity() const = 0;  // items it may ever hold
  virtual int64_t bytes() const = 0;     // == StateBytes(config, capacity)
};

struct StepRow {
  Sequence* sequence = nullptr;
  // Items to feed; at least one; size() + items.size() <= capacity().
  absl::Span<const Item> items;
  // Output: either [vocab] (the logits after the last item), or
  // [items.size() * vocab] (after each item), or empty (none wanted).
  absl::Span<float> logits;
  // Output: what the output head turns into those logits (the byte level's context
  // c, behind its norm), [D] or [items.size() * D] with D = levels[0].dim, or empty
  // (none wanted). After as many items as `logits`, where both are wanted.
  absl::Span<float> hidden = {};
  // The last so many items, and not all, are guesses that Rewind may take back: of
  // Draft, or others that reach the byte level alone. With any, logits are
  // [items.size() * vocab].
  int64_t drafts = 0;
};

// A request for guesses at the items that come behind `next`.
struct DraftRow {
  Sequence* sequence = nullptr;
  Item next = 0;               // chosen already, and the first to be fed
  absl::Span<Item> guesses;    // output
  int64_t count = 0;           // output: so many were made
};

// Executor. Single owner thread.
class Generator {
 public:
  virtual ~Generator() = default;

  // RESOURCE_EXHAUSTED when memory cannot be had; INVALID_ARGUMENT when
  // capacity is outside [1, config.max_context].
  virtual absl::StatusOr<std::unique_ptr<Sequence>> NewSequence(
      int64_t capacity) = 0;

  // A copy that shares nothing, with room for `capacity` items: it continues as
  // a sequence would that had been that large from its first item on.
  // INVALID_ARGUMENT when capacity < sequence.size() or out of range. Only reads
  // `sequence`: several threads may fork one that nobody steps.
  virtual absl::StatusOr<std::unique_ptr<Sequence>> Fork(
      const Sequence& sequence, int64_t capacity) = 0;
  // Of the same capacity. Also the snapshot of Restore.
  absl::StatusOr<std::unique_ptr<Sequence>> Fork(const Sequence& sequence) {
    return Fork(sequence, sequence.capacity());
  }
  // Makes `sequence` what `snapshot` is. REQUIRES: equal capacity, same model.
  virtual absl::Status Restore(const Sequence& snapshot,
                               Sequence* sequence) = 0;

  // One ragged batch: each sequence at most once. On INVALID_ARGUMENT nothing
  // has changed. After another error no row's size has grown, but a sequence may
  // be damaged; it then refuses steps with FAILED_PRECONDITION until a Restore.
  virtual absl::Status Step(absl::Span<const StepRow> rows) = 0;

  // Guesses by n-gram heads (model/hierarchy/item_loss.h), each the likeliest item of
  // its head, from the context behind the last item fed; none where the last step was
  // asked for no logits of it, or where taking one back would reach an upper level.
  // Each sequence at most once. Where LoadedModel::drafts() is 0, none at all.
  virtual absl::Status Draft(absl::Span<DraftRow> rows) {
    for (DraftRow& row : rows) row.count = 0;
    return absl::OkStatus();
  }

  // Takes back the last `items` items. REQUIRES: the last step of `sequence`, since
  // when nothing else was done to it, fed them as drafts. It goes on as if they had
  // never been. FAILED_PRECONDITION, with nothing changed, where they were not drafts.
  virtual absl::Status Rewind(Sequence* /*sequence*/, int64_t items) {
    return items == 0 ? absl::OkStatus()
                      : absl::FailedPreconditionError("nothing was fed as a draft");
  }

  // body(i) for every i in [0, n), on the executor's own threads, which have nothing to do
  // between steps: in any order, some at the same time. Returns when all have run.
  virtual void ParallelFor(int64_t n, absl::FunctionRef<void(int64_t)> body) {
    for (int64_t i = 0; i < n; ++i) body(i);
  }
};

struct GeneratorOptions {
  int threads = 1;  // intra-op threads of this executor
  // Which worker of the pool it is for: a model over several devices gives each
  // worker its own.
  int worker = 0;
};

// Immutable weights, shared by every worker. Thread-safe.
class LoadedModel {
 public:
  virtual ~LoadedModel() = default;
  virtual const ModelConfig& config() const = 0;
  virtual int64_t weight_bytes() const = 0;
  virtual int64_t StateBytes(int64_t capacity) const = 0;
  virtual std::string executor() const = 0;  // "cpu-avx512", "tensor-cuda:0-graphs"
  // The most guesses that a Generator makes for a stream.
  virtual int drafts() const { return 0; }
  // REQUIRES: *this outlives the Generator.
  virtual absl::StatusOr<std::unique_ptr<Generator>> NewGenerator(
      const GeneratorOptions& options) const = 0;
};

// Opens a version folder (model/version_dir.h): verifies the manifest, the
// config, the tensors. DATA_LOSS on a checksum mismatch.
using ModelLoader =
    std::function<absl::StatusOr<std::shared_ptr<const LoadedModel>>(
        const std::string& version_dir)>;

}  // namespace strata
