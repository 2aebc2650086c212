#pragma once
// Reversible layers: two streams of items take turns, so that what entered a layer can be
// computed from what left it, and training keeps no layer's activations (RevNet: Gomez et
// al. 2017, arXiv 1707.04585; Reformer, 2001.04451).
//
//   x1 = x2 = x                                   at the entrance of a stack
//   y1 = x1 + attention(norm(x2))                 y2 = x2 + ff(norm(y1))
//   x2 = y2 - ff(norm(y1))                        x1 = y1 - attention(norm(x2))
//   the stack gives (x1 + x2) / 2
//
// The mean, so that a stack whose layers add nothing passes x on, as a sum of residuals
// does; Reformer gives both streams, which what follows would have to be twice as wide for.
//
// Training keeps the two streams that leave the last layer, and goes back layer by layer,
// each computed once more: about a third more work, and memory that does not grow with the
// number of layers, but for a seed each of a dropout mask and, where attention is to
// buckets (model/nn/bucket_rule.h), which ones were chosen. What is computed again is
// equal up to rounding, and so are the gradients; they can't be differentiated once more.
// Thread-compatible.

#include <torch/torch.h>

#include <functional>
#include <vector>

namespace strata {

// What a sublayer adds to the stream that it does not read.
struct ReversibleHalf {
  std::function<torch::Tensor(const torch::Tensor& x)> forward;
  std::vector<torch::Tensor> weights;  // all that it learns
};

struct ReversibleRun {
  torch::Tensor entrance;  // [D], which both streams get before it; or undefined
  ReversibleHalf attention, feed_forward;
};

// x [.., D] through all runs, with dropout of `rate` behind every half. Without gradients,
// in the ordinary way. REQUIRES: what the halves read lives until the backward pass.
torch::Tensor RunReversible(const torch::Tensor& x,
                            const std::vector<ReversibleRun>& runs, double rate);

// The same, with the gradients of ordinary differentiation, which keeps everything.
torch::Tensor RunTwoStreams(const torch::Tensor& x,
                            const std::vector<ReversibleRun>& runs, double rate);

}  // namespace strata
