#pragma once
// MultirateStack: slower streams beside the decoder of a flat model, each with as many
// layers, which enter it after every layer (lucidrains, simple-hierarchical-transformer:
// parallel streams at several rates of compression, merged per layer). A stream of rate
// c, stride s and width d beside a decoder of width D; zeros before u[0]:
//
//   y_0[j]   = norm(W_compress (u[j s - c + 1]; ..; u[j s]))      [d] of c D
//   y_m      = TransformerLayer_m(y_m-1)      over its own items: all, or a window; where
//              s < c those whose distance is a multiple of c / s, which do not overlap
//   x_m[i]   = z + down silu(up norm((z; y_m[i / s] of each stream)))   [D], 2 D within
//              z: what layer m of the decoder made of x_m-1[i]
//
// So it is a decoder of its own, fed with every s-th place, and place i sees of it what
// was made at i or before: nothing that i itself may not see. Streams read neither the
// decoder nor one another; positions of their items are RoPE by their own number. How
// items are numbered, and what a sequence keeps, is model/stream_levels.h's.
//
// Unlike there: one matrix compresses, in place of a convolution to 4 d, SiLU and a
// second one; norms are RMS norms; items have no token shift; the merge enters the base
// stream alone; there are no losses beside the model's own (there each compressed item
// is to foretell the next one's cosine, and its own c items); s < c needs a window.
// Thread-compatible.

#include <torch/torch.h>

#include <vector>

#include "model/model_config.h"
#include "model/nn/linear.h"
#include "model/nn/rms_norm.h"
#include "model/nn/transformer_layer.h"
#include "model/nn/turn_tables.h"

namespace strata {

class StreamImpl : public torch::nn::Module {
 public:
  StreamImpl(const ModelConfig& config, const StreamConfig& stream);

  // u [B, n, D] -> what each layer makes: [B, StreamItems(n), d]. `segments`: [B, n]
  // documents, or undefined; each begins at a multiple of the stride.
  std::vector<torch::Tensor> forward(const torch::Tensor& u,
                                     const torch::Tensor& segments);

  // The parts of that, for executors that keep a state. [.., c D], oldest first.
  torch::Tensor Compress(const torch::Tensor& entered) {
    return norm_->forward(compress_->forward(entered));
  }
  TransformerLayerImpl& layer(int i) { return *layers_[i]; }

 private:
  // [B, items, c D]; zeros where a document has not begun.
  torch::Tensor Entered(const torch::Tensor& u, const torch::Tensor& segments) const;

  const StreamConfig config_;
  const LevelConfig level_;
  TurnCache turns_;
  Linear compress_;
  RmsNorm norm_;
  std::vector<TransformerLayer> layers_;
};
TORCH_MODULE(Stream);

// What a layer of the decoder takes from the streams.
class StreamMergeImpl : public torch::nn::Module {
 public:
  explicit StreamMergeImpl(const LevelConfig& base);
  // z [.., D]; `said`: of each stream the newest item, [.., d].
  torch::Tensor forward(const torch::Tensor& z, std::vector<torch::Tensor> said);

 private:
  RmsNorm norm_;
  Linear up_, down_;
};
TORCH_MODULE(StreamMerge);

// What each layer of each stream made: [stream][layer], [B, items, d].
using StreamOutputs = std::vector<std::vector<torch::Tensor>>;

class MultirateStackImpl : public torch::nn::Module {
 public:
  // Of the byte level. `item_early`: a planted fault, ShadowFaults::stream_item_early.
  explicit MultirateStackImpl(const ModelConfig& config, bool item_early = false);

  // u as above.
  StreamOutputs forward(const torch::Tensor& u, const torch::Tensor& segments);
  // After layer m of the decoder: z [B, n, D], `streams` of forward.
  torch::Tensor Merged(int m, const torch::Tensor& z, const StreamOutputs& streams);

  StreamImpl& stream(int r) { return *streams_[r]; }
  StreamMergeImpl& merge(int m) { return *merges_[m]; }

 private:
  const LevelConfig base_;
  const bool item_early_;
  std::vector<Stream> streams_;
  std::vector<StreamMerge> merges_;
};
TORCH_MODULE(MultirateStack);

}  // namespace strata
