#include "model/train/evaluate.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <optional>

#include "model/base/status_macros.h"
#include "model/hierarchy/item_loss.h"
#include "model/items.h"
#include "model/nn/torch_guard.h"
#include "model/segment_rule.h"
#include "model/train/batch_tensors.h"
#include "model/train/batcher.h"
#include "model/train/lane_batcher.h"
#include "model/train/language_loss.h"

namespace strata {
namespace {

// Sums over the items that a head learns.
struct HeadSums {
  double nats = 0;
  int64_t items = 0;
};

struct Sums {
  double nats = 0;
  int64_t items = 0;
  double byte_nats = 0;
  int64_t bytes = 0;
  std::vector<HeadSums> ngram;  // of heads 1, 2, ..
};

void AddNgramHeads(HierarchicalTransformer& model, const BatchTensors& rows,
                   const at::Tensor& contexts, Sums* sums) {
  for (size_t i = 0; i < sums->ngram.size(); ++i) {
    const int head = static_cast<int>(i) + 1;
    const at::Tensor learnt =
        HeadLosses(model, contexts, rows.items, head)
            .masked_select(LearntPairs(rows.trained, rows.segments, head));
    sums->ngram[i].nats += learnt.sum(at::kDouble).item<double>();
    sums->ngram[i].items += learnt.numel();
  }
}

absl::Status AddBatch(HierarchicalTransformer& model, const Batch& batch,
                      const Tokenizer& tokenizer, SegmentMemory* memory, Sums* sums) {
  return TorchGuard([&] {
    const BatchTensors rows = RowsAsTensors(batch, 0, batch.rows, model->device());
    torch::NoGradGuard no_grad;
    const at::Tensor contexts = RowContexts(model, rows, memory);
    AddNgramHeads(model, rows, contexts, sums);
    const at::Tensor losses =
        HeadLosses(model, contexts, rows.items, 0).to(at::kDouble).cpu().contiguous();
    const double* loss = losses.const_data_ptr<double>();
    for (size_t i = 0; i < batch.items.size(); ++i) {
      if (!batch.trained[i]) continue;
      sums->nats += loss[i];
      ++sums->items;
      const auto item = static_cast<Item>(batch.items[i]);
      if (!IsText(item)) continue;
      sums->byte_nats += loss[i];
      sums->bytes += static_cast<int64_t>(tokenizer.BytesOf(item).size());
    }
  });
}

// The rows of an evaluation, and the memory that goes from one forward pass to the next
// where the model carries one.
class EvalRows {
 public:
  EvalRows(HierarchicalTransformer& model, absl::Span<const Document> held_out,
           int64_t max_items, int64_t rows, const BatcherOptions& options)
      : rows_(rows), sequence_(options.sequence) {
    if (!CarriesMemory(model->config())) {
      source_ = std::make_unique<Batcher>(held_out, options);
      return;
    }
    // No more lanes than there are segments to look at.
    int64_t items = 0;
    for (const Document& document : held_out) items += document.size() + 1;
    rows_ = std::clamp<int64_t>(std::min(items, max_items) / sequence_, 1, rows);
    source_ = std::make_unique<LaneBatcher>(held_out, rows_, options);
    memory_ = SegmentMemory(model->config(), rows_, model->level(0).start().options());
  }

  bool done() { return cursor_.row >= source_->Rows(0); }
  SegmentMemory* memory() { return memory_ ? &*memory_ : nullptr; }

  Batch Next(int64_t items_left) {
    const int64_t wanted =
        memory_ ? rows_
                : std::min(std::clamp<int64_t>(items_left / sequence_, 1, rows_),
                           source_->Rows(0) - cursor_.row);
    return source_->Next(wanted, {}, &cursor_);
  }

 private:
  int64_t rows_;
  const int64_t sequence_;
  std::unique_ptr<RowSource> source_;
  std::optional<SegmentMemory> memory_;
  DataCursor cursor_;
};

}  // namespace

absl::Status ForHeldOutBatches(
    HierarchicalTransformer& model, absl::Span<const Document> held_out,
    const EvalOptions& options, const std::function<absl::Status()>& poll,
    const std::function<absl::Status(const Batch&, SegmentMemory*)>& each) {
  BatcherOptions fixed = options.batcher;
  fixed.shuffle = false;
  fixed.shift_cuts = false;
  EvalRows source(model, held_out, options.max_items, options.rows, fixed);
  int64_t left = options.max_items;
  model->eval();
  absl::Status status;
  while (status.ok() && !source.done() && left > 0) {
    status = poll();
    if (!status.ok()) break;
    const Batch batch = source.Next(left);
    left -= batch.real_items;
    status = each(batch, source.memory());
  }
  model->train();
  return status;
}

absl::StatusOr<TrainEval> Evaluate(HierarchicalTransformer& model,
                                   absl::Span<const Document> held_out,
                                   const EvalOptions& options,
                                   const std::function<absl::Status()>& poll) {
  Sums sums;
  sums.ngram.resize(model->config().ngram_heads);
  STRATA_RETURN_IF_ERROR(
      ForHeldOutBatches(model, held_out, options, poll,
                        [&](const Batch& batch, SegmentMemory* memory) {
                          return AddBatch(model, batch, *options.tokenizer, memory, &sums);
                        }));
  TrainEval eval;
  eval.items = sums.items;
  if (sums.items > 0) eval.loss = sums.nats / static_cast<double>(sums.items);
  if (sums.bytes > 0) {
    eval.bits_per_byte =
        sums.byte_nats / static_cast<double>(sums.bytes) / std::log(2.0);
  }
  for (const HeadSums& head : sums.ngram) {
    eval.ngram_losses.push_back(
        head.nats / static_cast<double>(std::max<int64_t>(1, head.items)));
  }
  return eval;
}

}  // namespace strata
