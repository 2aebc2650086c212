#include "server/engine/scheduler.h"

#include <algorithm>

namespace strata {
namespace {

constexpr int64_t kSharedPart = 4;  // one in so many items of a step

// Equal parts for `rows`, in rounds: each round divides what is left among those
// that still want more. A round either uses up the budget but for less than one
// item a row, or satisfies a row, so there are at most rows.size() + 1.
int64_t ShareEvenly(absl::Span<const int64_t> want, std::vector<size_t> rows,
                    int64_t budget, std::vector<int64_t>* given) {
  while (!rows.empty() && budget >= static_cast<int64_t>(rows.size())) {
    const int64_t part = budget / static_cast<int64_t>(rows.size());
    std::vector<size_t> hungry;
    for (const size_t row : rows) {
      const int64_t more = std::min(part, want[row] - (*given)[row]);
      (*given)[row] += more;
      budget -= more;
      if ((*given)[row] < want[row]) hungry.push_back(row);
    }
    rows = std::move(hungry);
  }
  return budget;
}

// All of the budget to the row that wants least, then to the next.
void ServeShortest(absl::Span<const int64_t> want, std::vector<size_t> rows,
                   int64_t budget, std::vector<int64_t>* given) {
  std::stable_sort(rows.begin(), rows.end(),
                   [&](size_t a, size_t b) { return want[a] < want[b]; });
  for (const size_t row : rows) {
    const int64_t more = std::min(budget, want[row] - (*given)[row]);
    (*given)[row] += more;
    budget -= more;
  }
}

}  // namespace

std::vector<int64_t> PlanStep(absl::Span<const int64_t> prefill_remaining,
                              int64_t prefill_items, int64_t turn) {
  std::vector<int64_t> plan(prefill_remaining.size(), 0);
  std::vector<size_t> prompts;
  for (size_t row = 0; row < plan.size(); ++row) {
    if (prefill_remaining[row] == 0) {
      plan[row] = 1;
    } else {
      prompts.push_back(row);
    }
  }
  if (prompts.empty()) return plan;
  const int64_t shared = (prefill_items + kSharedPart - 1) / kSharedPart;
  int64_t rest = ShareEvenly(prefill_remaining, prompts, shared, &plan);
  const size_t first = static_cast<size_t>(turn) % prompts.size();
  for (size_t i = 0; i < prompts.size() && rest > 0; ++i) {
    const size_t row = prompts[(first + i) % prompts.size()];
    if (plan[row] == prefill_remaining[row]) continue;
    ++plan[row];
    --rest;
  }
  ServeShortest(prefill_remaining, prompts, prefill_items - shared + rest, &plan);
  return plan;
}

bool ShouldTake(int64_t self, absl::Span<const int64_t> others,
                int64_t queued) {
  int64_t ahead = 0;  // requests that less loaded workers should take first
  for (const int64_t other : others) ahead += std::max<int64_t>(0, self - other);
  return ahead < queued;
}

}  // namespace strata
