#include "model/train/leak_probe.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "model/base/random.h"
#include "model/items.h"
#include "model/nn/torch_guard.h"

namespace strata {
namespace {

constexpr int64_t kItems = 64;
constexpr int64_t kPrefixes[] = {1, 3, 7, 15, 31, 32, 47, 63};
// Of the largest logit: far above rounding, far below what a byte that is seen
// does.
constexpr double kTolerance = 1e-4;

// [1, n] items of text; the same every time.
torch::Tensor Text(int vocab, uint64_t stream, int64_t n) {
  const auto texts = static_cast<uint64_t>(256 + vocab - kVocab);
  auto items = torch::empty({1, n}, torch::kLong);
  for (int64_t i = 0; i < n; ++i) {
    const auto drawn = static_cast<int64_t>(RandomBits(0x1ea4, stream, i) % texts);
    items[0][i] = drawn < 256 ? drawn : drawn - 256 + kVocab;
  }
  return items;
}

// The first item whose prediction differs between rows of [prefix + 1, V]; -1.
int64_t FirstMoved(const torch::Tensor& a, const torch::Tensor& b) {
  const double allowed = kTolerance * a.abs().max().item<double>();
  const auto moved = ((a - b).abs().amax(-1) > allowed).nonzero();
  return moved.size(0) == 0 ? -1 : moved[0][0].item<int64_t>();
}

absl::Status Probe(HierarchicalTransformer& model) {
  torch::NoGradGuard no_grad;
  const int64_t n = std::min(kItems, model->config().max_context);
  const int vocab = model->config().vocab;
  const auto device = model->device();
  const auto items = Text(vocab, 0, n);
  const auto base = model->forward(items.to(device))[0];
  for (const int64_t prefix : kPrefixes) {
    if (prefix >= n) break;
    const auto other =
        at::cat({items.narrow(1, 0, prefix), Text(vocab, prefix, n - prefix)}, 1);
    const auto logits = model->forward(other.to(device))[0];
    const int64_t moved = FirstMoved(base.narrow(0, 0, prefix + 1),
                                     logits.narrow(0, 0, prefix + 1));
    if (moved < 0) continue;
    return absl::FailedPreconditionError(absl::StrCat(
        "LEAK: the prediction of item ", moved,
        " changes with items from ", prefix, " on"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status ProbeForLeaks(HierarchicalTransformer model) {
  const bool was_training = model->is_training();
  model->eval();
  const absl::Status status = TorchGuard([&] { return Probe(model); });
  model->train(was_training);
  return status;
}

double LossFloorBitsPerByte(int64_t parameters) {
  return parameters <= 50'000'000 ? 0.95 : 0.85;
}

}  // namespace strata
