#include "model/inspect/level_watch.h"

#include "model/nn/multirate_stack.h"

namespace strata {
namespace {

// `wanted`: numbers of layers as the stack runs them.
void WatchStack(LayerStackImpl& stack, int layers, const std::vector<int>& wanted,
                const std::vector<int>& heads, int top_k,
                std::map<int, LayerWatch>* watches) {
  for (const int number : wanted) {
    const auto watch =
        watches->try_emplace(number % layers, stack.layer(number).attention());
    watch.first->second.Add(number / layers, number, heads, top_k);
  }
}

// Their layers run once, beside the decoder's.
void WatchStreams(MultirateStackImpl& streams, const LevelSelection& chosen, int top_k,
                  std::vector<std::map<int, LayerWatch>>* watches) {
  watches->resize(chosen.stream_heads.size());
  for (size_t r = 0; r < watches->size(); ++r) {
    for (const int layer : chosen.decoder_layers) {
      (*watches)[r]
          .try_emplace(layer, streams.stream(static_cast<int>(r)).layer(layer).attention())
          .first->second.Add(0, layer, chosen.stream_heads[r], top_k);
    }
  }
}

}  // namespace

std::deque<WatchedLevel> WatchLevels(const HierarchicalTransformer& model,
                                     const std::vector<LevelSelection>& selection, int top_k) {
  std::deque<WatchedLevel> watched;
  for (const LevelSelection& chosen : selection) {
    LevelImpl& level = model->level(chosen.level);
    const LevelConfig& config =
        model->config().levels[static_cast<size_t>(chosen.level)];
    WatchedLevel& here = watched.emplace_back();
    WatchStack(level.encoder(), config.enc_layers, chosen.encoder_layers,
               chosen.heads, top_k, &here.encoder);
    WatchStack(level.decoder(), config.dec_layers, chosen.decoder_layers,
               chosen.heads, top_k, &here.decoder);
    if (!level.bridge_attention().is_empty()) {
      here.bridge.emplace(level.bridge_attention(), chosen.heads, top_k);
    }
    if (!level.streams().is_empty()) {
      WatchStreams(*level.streams(), chosen, top_k, &here.streams);
    }
  }
  return watched;
}

}  // namespace strata
