#include "model/train/exit_threshold.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "model/base/status_macros.h"
#include "model/hierarchy/item_loss.h"
#include "model/nn/torch_guard.h"
#include "model/stack_depth.h"
#include "model/train/batch_tensors.h"
#include "model/train/exit_loss.h"
#include "model/train/language_loss.h"

namespace strata {
namespace {

constexpr double kTried[] = {0.99, 0.98, 0.95, 0.9, 0.85, 0.8, 0.7, 0.6, 0.5};
constexpr double kNormal95 = 1.645;

struct Reading {
  std::vector<double> loss;  // of each row with learnt items, their mean
  double layers = 0;         // summed over items
  int64_t items = 0;
};

absl::Status AddBatch(HierarchicalTransformer& model, const Batch& batch,
                      SegmentMemory* memory, Reading* reading) {
  return TorchGuard([&] {
    torch::NoGradGuard no_grad;
    const BatchTensors rows = RowsAsTensors(batch, 0, batch.rows, model->device());
    std::vector<LevelActivations> levels;
    const at::Tensor contexts = RowContexts(model, rows, memory, &levels);
    const auto learnt = rows.trained.to(at::kDouble);
    const auto sums =
        (HeadLosses(model, contexts, rows.items, 0).to(at::kDouble) * learnt).sum(1).cpu();
    const auto counts = learnt.sum(1).cpu();
    for (int64_t r = 0; r < batch.rows; ++r) {
      const auto count = counts[r].item<double>();
      if (count > 0) reading->loss.push_back(sums[r].item<double>() / count);
    }
    const at::Tensor& layers = levels[0].dec_depth.layers;
    if (!layers.defined()) return;
    reading->layers += layers.sum().item<double>();
    reading->items += layers.numel();
  });
}

absl::StatusOr<Reading> Read(HierarchicalTransformer& model,
                             absl::Span<const Document> held_out,
                             const EvalOptions& options,
                             const std::function<absl::Status()>& poll) {
  Reading reading;
  STRATA_RETURN_IF_ERROR(
      ForHeldOutBatches(model, held_out, options, poll,
                        [&](const Batch& batch, SegmentMemory* memory) {
                          return AddBatch(model, batch, memory, &reading);
                        }));
  return reading;
}

// The mean, and what it is less than 95 times of 100.
struct Bound {
  double mean = 0;
  double upper = 0;
};

Bound BoundOf(const std::vector<double>& open, const std::vector<double>& shut) {
  const auto n = static_cast<double>(open.size());
  Bound bound;
  for (size_t r = 0; r < open.size(); ++r) bound.mean += (open[r] - shut[r]) / n;
  double squares = 0;
  for (size_t r = 0; r < open.size(); ++r) {
    squares += std::pow(open[r] - shut[r] - bound.mean, 2);
  }
  bound.upper = bound.mean + kNormal95 * std::sqrt(squares / (n - 1) / n);
  return bound;
}

}  // namespace

absl::StatusOr<ExitThreshold> FindExitThreshold(
    HierarchicalTransformer& model, absl::Span<const Document> held_out,
    const EvalOptions& options, const std::function<absl::Status()>& poll) {
  const LevelConfig& bytes = model->config().levels[0];
  ExitHeadsImpl& exits = *model->level(0).decoder().exits();
  exits.SetThreshold(kNoExit);
  Reading shut;
  {
    const ShutExits all_pass(model);
    STRATA_ASSIGN_OR_RETURN(shut, Read(model, held_out, options, poll));
  }
  ExitThreshold found;
  found.layers = bytes.dec_layers;
  found.rows = static_cast<int64_t>(shut.loss.size());
  if (found.rows < kLeastExitRows) return found;
  for (const double threshold : kTried) {
    exits.SetThreshold(threshold);
    const auto open = Read(model, held_out, options, poll);
    if (!open.ok()) {
      exits.SetThreshold(kNoExit);
      return open.status();
    }
    const Bound bound = BoundOf(open->loss, shut.loss);
    if (!(bound.upper <= bytes.exit_tolerance)) break;
    found.threshold = threshold;
    found.cost = bound.mean;
    found.layers = open->layers / static_cast<double>(std::max<int64_t>(1, open->items));
  }
  exits.SetThreshold(found.threshold);
  return found;
}

}  // namespace strata
