#include "model/train/evaluate.h"

#include <algorithm>
#include <cmath>

#include "model/base/status_macros.h"
#include "model/items.h"
#include "model/nn/torch_guard.h"
#include "model/train/batch_tensors.h"

namespace strata {
namespace {

// Sums over trained items.
struct Sums {
  double nats = 0;
  int64_t items = 0;
  double byte_nats = 0;
  int64_t bytes = 0;
};

absl::Status AddBatch(HierarchicalTransformer& model, const Batch& batch,
                      Sums* sums) {
  return TorchGuard([&] {
    const BatchTensors rows = RowsAsTensors(batch, 0, batch.rows);
    const at::Tensor losses =
        ItemLosses(model, rows.items, rows.segments).to(at::kDouble).contiguous();
    const double* loss = losses.const_data_ptr<double>();
    for (size_t i = 0; i < batch.items.size(); ++i) {
      if (!batch.trained[i]) continue;
      sums->nats += loss[i];
      ++sums->items;
      if (!IsByte(static_cast<Item>(batch.items[i]))) continue;
      sums->byte_nats += loss[i];
      ++sums->bytes;
    }
  });
}

}  // namespace

absl::StatusOr<TrainEval> Evaluate(HierarchicalTransformer& model,
                                   absl::Span<const Document> held_out,
                                   const EvalOptions& options,
                                   const std::function<absl::Status()>& poll) {
  BatcherOptions fixed = options.batcher;
  fixed.shuffle = false;
  fixed.shift_cuts = false;
  Batcher batcher(held_out, fixed);
  Sums sums;
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
    status = AddBatch(model, batch, &sums);
  }
  model->train();
  STRATA_RETURN_IF_ERROR(status);
  TrainEval eval;
  eval.items = sums.items;
  if (sums.items > 0) eval.loss = sums.nats / static_cast<double>(sums.items);
  if (sums.bytes > 0) {
    eval.bits_per_byte =
        sums.byte_nats / static_cast<double>(sums.bytes) / std::log(2.0);
  }
  return eval;
}

}  // namespace strata
