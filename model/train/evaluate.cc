#include "model/train/evaluate.h"

#include <algorithm>
#include <cmath>

#include "model/base/status_macros.h"
#include "model/hierarchy/item_loss.h"
#include "model/items.h"
#include "model/nn/torch_guard.h"
#include "model/train/batch_tensors.h"

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
                      const Tokenizer& tokenizer, Sums* sums) {
  return TorchGuard([&] {
    const BatchTensors rows = RowsAsTensors(batch, 0, batch.rows);
    torch::NoGradGuard no_grad;
    const at::Tensor contexts =
        PredictingContexts(model, rows.items, rows.segments);
    AddNgramHeads(model, rows, contexts, sums);
    const at::Tensor losses =
        HeadLosses(model, contexts, rows.items, 0).to(at::kDouble).contiguous();
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

}  // namespace

absl::Status ForHeldOutBatches(
    HierarchicalTransformer& model, absl::Span<const Document> held_out,
    const EvalOptions& options, const std::function<absl::Status()>& poll,
    const std::function<absl::Status(const Batch&)>& each) {
  BatcherOptions fixed = options.batcher;
  fixed.shuffle = false;
  fixed.shift_cuts = false;
  Batcher batcher(held_out, fixed);
  DataCursor cursor;
  int64_t left = options.max_items;
  model->eval();
  absl::Status status;
  const int64_t rows = batcher.Rows(0);
  while (status.ok() && cursor.row < rows && left > 0) {
    status = poll();
    if (!status.ok()) break;
    const int64_t wanted =
        std::max<int64_t>(1, std::min(options.rows, left / fixed.sequence));
    const Batch batch =
        batcher.Next(std::min(wanted, rows - cursor.row), {}, &cursor);
    left -= batch.real_items;
    status = each(batch);
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
      ForHeldOutBatches(model, held_out, options, poll, [&](const Batch& batch) {
        return AddBatch(model, batch, *options.tokenizer, &sums);
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
