#include "model/nn/attention_plan.h"

#include <algorithm>
#include <limits>

#include "model/scope_mask.h"

namespace strata {
namespace {

// Smaller chunks would waste a batched product on a few rows.
constexpr int64_t kMinWindowChunk = 16;

void ChooseFold(const ScopeSpec& spec, bool has_segments, AttentionPlan* plan) {
  const int64_t n = plan->items;
  switch (spec.scope) {
    case Scope::kFull:
      plan->chunk = n;
      plan->causal = !has_segments;
      return;
    case Scope::kWindow:
      plan->chunk = std::max<int64_t>(spec.window, kMinWindowChunk);
      plan->look_back = plan->chunk;
      if (n <= plan->chunk) {
        plan->chunk = n;
        plan->look_back = 0;
        plan->causal = n <= spec.window && !has_segments;
      }
      return;
    case Scope::kTree:  // has a plan of its own: model/nn/tree_plan.h
    case Scope::kBlock:
      plan->chunk = spec.block;
      plan->causal = !has_segments;
      return;
    case Scope::kBidirBlock:
      plan->chunk = spec.block;
      return;
  }
}

// [chunks, chunk, keys] of bool: key slot s of chunk c is item
// c * chunk - look_back + s.
torch::Tensor VisibleSlots(const ScopeSpec& spec, const AttentionPlan& plan) {
  auto visible = torch::zeros({plan.chunks(), plan.chunk, plan.keys()},
                              torch::kBool);
  bool* row = visible.data_ptr<bool>();
  const int64_t total = plan.chunks() * plan.chunk;
  for (int64_t i = 0; i < total; ++i, row += plan.keys()) {
    const int64_t first = i / plan.chunk * plan.chunk - plan.look_back;
    if (i >= plan.items) {
      row[i - first] = true;  // padding: its result is dropped, but no NaN
      continue;
    }
    const KeyRange range =
        VisibleKeys(spec.scope, i, plan.items, spec.window, spec.block);
    std::fill(row + std::max<int64_t>(range.begin - first, 0),
              row + (range.end - first), true);
  }
  return visible;
}

// [batch, chunks, chunk, keys] of bool: query and key are of one document.
torch::Tensor SameDocument(const AttentionPlan& plan,
                           const torch::Tensor& segments) {
  const int64_t chunks = plan.chunks();
  const int64_t padding = chunks * plan.chunk - plan.items;
  // Padding belongs to document -1, so it sees itself alone.
  const auto padded =
      at::constant_pad_nd(segments, {plan.look_back, padding}, -1);
  const auto queries = padded.narrow(1, plan.look_back, chunks * plan.chunk)
                           .view({plan.batch, chunks, plan.chunk, 1});
  const auto keys = padded.unfold(1, plan.keys(), plan.chunk).unsqueeze(2);
  return queries == keys;
}

}  // namespace

AttentionPlan MakeAttentionPlan(const ScopeSpec& spec, int64_t batch, int64_t n,
                                const torch::Tensor& segments,
                                const TurnTables& turns,
                                const torch::TensorOptions& like) {
  torch::NoGradGuard no_grad;
  AttentionPlan plan;
  plan.batch = batch;
  plan.items = n;
  plan.turns = turns;
  ChooseFold(spec, segments.defined(), &plan);
  const bool whole_blocks = spec.scope == Scope::kBidirBlock &&
                            n % plan.chunk == 0 && !segments.defined();
  if (plan.causal || whole_blocks) return plan;

  auto visible = VisibleSlots(spec, plan).to(like.device()).unsqueeze(0);
  if (segments.defined()) visible = visible & SameDocument(plan, segments);
  auto mask = torch::zeros(visible.sizes(), like);
  mask.masked_fill_(visible.logical_not(),
                    -std::numeric_limits<double>::infinity());
  plan.mask =
      mask.expand({batch, plan.chunks(), plan.chunk, plan.keys()})
          .reshape({batch * plan.chunks(), 1, plan.chunk, plan.keys()});
  return plan;
}

}  // namespace strata
