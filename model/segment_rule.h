#pragma once
// Segment recurrence (Dai et al., "Transformer-XL", arXiv 1901.02860): a long text is
// trained in segments, one after another in the same row of successive batches, and
// what a layer made of the items before a segment is kept for it, without gradient, as
// further keys and values.
//
//   x_t [n, D]     items of segment t at the entrance of a run of a layer
//   m_t [M, D]     the last M items of (m_{t-1}, x_{t-1}), gradient stopped
//   q = W_q norm(x_t)     k, v = W_k,v norm(m_t ; x_t)     masked by the scope
//
// The scope's own mask decides who sees whom, so segments with memory compute what one
// pass over the whole text does, and a decoder, whose ring is the window, needs nothing
// for it. That wants scopes that end: M follows from the window, and is 0 where a scope
// ends with the block. The level's shift is carried too: context 0 of a segment stands
// on the last item before it, and a bridge that attends on the last contexts.
//
// Unlike the paper, where a query sees M items and all of its segment before it, so that
// what it sees depends on where its segment was cut; here a window is a window.
// Pure functions, thread-safe.

#include <cstdint>

#include "absl/status/status.h"
#include "model/model_config.h"
#include "model/scope_rule.h"

namespace strata {

// Whether segments of a text are trained with what came before them.
inline bool CarriesMemory(const ModelConfig& config) {
  return config.levels[0].memory != MemoryKind::kNone;
}

// M of a stack with this scope. REQUIRES: a scope that ValidateMemory accepts.
int64_t CarriedItems(const ScopeSpec& spec);

// Contexts of the level above that are carried to the next segment.
inline int64_t CarriedContexts(const LevelConfig& level) {
  return level.bridge == BridgeKind::kAttention ? level.bridge_window - 1 : 0;
}

// INVALID_ARGUMENT names what a level with memory must not have, and why.
absl::Status ValidateMemory(const ModelConfig& config);

}  // namespace strata
