#include "model/decode/tensor/query_mask.h"

#include "model/nn/upload.h"

namespace strata {
namespace {

// Of runs [batch, count, 3] of begin, end and step.
torch::Tensor InRun(const torch::Tensor& runs, bool steps,
                    const torch::Tensor& key) {
  const auto begin = runs.narrow(2, 0, 1);
  auto inside = (key >= begin) & (key < runs.narrow(2, 1, 1));
  if (steps) {
    inside = inside &
             (at::remainder(key - begin, runs.narrow(2, 2, 1)) == 0);
  }
  return inside;
}

}  // namespace

torch::Tensor QueryMask(const ScopeSpec& spec, const std::vector<int64_t>& queries,
                        const torch::Tensor& key, const torch::Tensor& is_mean) {
  std::vector<int64_t> recent, kept;
  bool any_kept = false, recent_steps = false, kept_steps = false;
  for (const int64_t query : queries) {
    const VisibleKeys seen = KeysSeen(spec, query, query + 1);
    any_kept = any_kept || seen.kept.count() > 0;
    recent_steps = recent_steps || seen.recent.step > 1;
    kept_steps = kept_steps || seen.kept.step > 1;
    recent.insert(recent.end(),
                  {seen.recent.begin, seen.recent.end, seen.recent.step});
    kept.insert(kept.end(), {seen.kept.begin, seen.kept.end, seen.kept.step});
  }
  const auto upload = [&](const std::vector<int64_t>& runs) {
    return Upload(runs, key.device()).view({key.size(0), -1, 3});
  };
  auto mask = InRun(upload(recent), recent_steps, key);
  if (is_mean.defined()) mask = mask & is_mean.logical_not();
  if (any_kept) {
    auto older = InRun(upload(kept), kept_steps, key);
    if (is_mean.defined()) older = older & is_mean;
    mask = mask | older;
  }
  return mask.unsqueeze(1);
}

}  // namespace strata
