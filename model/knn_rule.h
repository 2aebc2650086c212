#pragma once
// The nearest-neighbour memory of a decoder layer (Wu et al. 2022, "Memorizing
// Transformers", arXiv 2203.08913): which items its queries look among, what it adds to
// state and parameters, and where it may stand. The formula is in model/nn/knn_memory.h.
//
//   window      (i - W, i]            by the ordinary softmax
//   memory      (i - W - M, i - W]    M = knn_items: the best knn_neighbours of them
//
// A sequence keeps one ring of W + M keys and values for that layer, behind the caches
// of the decoder's other layers. Pure functions, thread-safe.

#include <algorithm>
#include <cstdint>

#include "absl/status/status.h"
#include "model/decoder_places.h"
#include "model/model_config.h"
#include "model/scope_rule.h"

namespace strata {

// Added to the squared length of a query or key that is made as long as 1.
inline constexpr double kKnnEpsilon = 1e-6;
// What `scale` begins at: cosines times e^3, about 20, as others found good.
inline constexpr double kKnnScale = 3.0;

inline bool HasKnn(const LevelConfig& level) {
  return level.knn_layer > 0 && level.knn_layer <= level.dec_layers;
}
// The run of the decoder that has the memory; -1: none has.
inline int KnnRun(const LevelConfig& level) {
  return HasKnn(level) ? level.knn_layer - 1 : -1;
}
// Runs of the decoder that cache what their scope says, and how many of them stand
// before a run.
inline int ScopedRuns(const LevelConfig& level) {
  return DecoderRuns(level) - (HasKnn(level) ? 1 : 0);
}
inline int ScopedRunsBefore(const LevelConfig& level, int run) {
  return HasKnn(level) && run >= level.knn_layer ? run - 1 : run;
}
// All that a query of the layer may see, and its ring: a window of W + M.
inline ScopeSpec KnnSpec(const LevelConfig& level) {
  ScopeSpec spec = DecoderSpec(level);
  spec.window += level.knn_items;
  return spec;
}
// What run `run` of the decoder may see.
inline ScopeSpec DecoderRunSpec(const LevelConfig& level, int run) {
  return run == KnnRun(level) ? KnnSpec(level) : DecoderSpec(level);
}
// Of query i.
inline KeyRun KnnCandidates(const LevelConfig& level, int64_t i) {
  const int64_t end = std::max<int64_t>(0, i + 1 - level.window);
  return {std::max<int64_t>(0, end - level.knn_items), end, 1};
}
// Slots of the ring where the decoder has so many places; 0 without a memory.
inline int64_t KnnSlots(const LevelConfig& level, int64_t places) {
  if (!HasKnn(level)) return 0;
  const ScopeSpec spec = KnnSpec(level);
  return WholeSlots(RuleOf(spec.scope).slots(spec, places));
}
// Scale and bias of each head, and a row where the context opens the gate.
inline int64_t KnnParameters(const LevelConfig& level) {
  if (!HasKnn(level)) return 0;
  const int64_t row = level.knn_gate == KnnGate::kContext ? level.dim : 0;
  return level.heads * (2 + row);
}

// INVALID_ARGUMENT names what must not stand in a level with a memory, and why.
absl::Status ValidateKnn(const ModelConfig& config);

}  // namespace strata
