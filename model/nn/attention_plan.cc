#include "model/nn/attention_plan.h"

#include <algorithm>
#include <limits>

#include "model/nn/document_index.h"
#include "model/nn/key_mask.h"

namespace strata {
namespace {

// Smaller chunks would waste a batched product on a few rows.
constexpr int64_t kMinWindowChunk = 16;

void ChooseFold(const ScopeSpec& spec, bool has_segments, AttentionPlan* plan) {
  const ScopeRule& rule = RuleOf(spec.scope);
  plan->phases = Phases(spec);
  if (rule.windowed) {
    const int64_t n = plan->phase_items();
    plan->chunk = std::max<int64_t>(spec.window, kMinWindowChunk);
    plan->look_back = plan->chunk;
    if (n > plan->chunk) return;
    plan->chunk = n;
    plan->look_back = 0;
    plan->causal = n <= spec.window && !has_segments;
    return;
  }
  const bool whole = spec.scope == Scope::kFull || rule.summed;
  plan->chunk = whole ? plan->items : spec.block;
  plan->causal = spec.scope != Scope::kBidirBlock && !has_segments;
}

}  // namespace

AttentionPlan MakeBucketPlan(int64_t batch, int64_t n, const torch::Tensor& segments,
                             const TurnTables& turns, bool causal) {
  AttentionPlan plan;
  plan.batch = batch;
  plan.items = plan.chunk = n;
  plan.causal = causal;
  plan.bucketed = true;
  plan.documents = segments;
  plan.turns = turns;
  return plan;
}

AttentionPlan MakeAttentionPlan(const ScopeSpec& spec, int64_t batch, int64_t n,
                                const torch::Tensor& segments,
                                const TurnTables& turns,
                                const torch::TensorOptions& like,
                                const torch::Tensor& before) {
  torch::NoGradGuard no_grad;
  AttentionPlan plan;
  plan.batch = batch;
  plan.items = n;
  plan.turns = turns;
  plan.documents = segments;
  ChooseFold(spec, segments.defined(), &plan);
  plan.pooled = PooledItems(spec);
  plan.summed = RuleOf(spec.scope).summed;
  if (plan.summed) {
    // What is turned before the features knows its place, not its distance alone.
    if (segments.defined()) {
      plan.turns = RowsOf(turns, IndexInDocument(n, segments, like).expand({batch, n}));
    }
    return plan;
  }
  const bool whole_blocks = spec.scope == Scope::kBidirBlock &&
                            n % plan.chunk == 0 && !segments.defined();
  if (plan.causal || whole_blocks) return plan;

  const auto visible = MakeKeyMask(spec, segments, before, like.device(), &plan);
  auto mask = torch::zeros(visible.sizes(), like);
  mask.masked_fill_(visible.logical_not(),
                    -std::numeric_limits<double>::infinity());
  plan.mask =
      mask.expand({batch, plan.chunks(), plan.chunk, plan.keys()})
          .reshape({batch * plan.chunks(), 1, plan.chunk, plan.keys()});
  return plan;
}

}  // namespace strata
