#include "server/engine/scheduler.h"

#include <algorithm>

namespace strata {
namespace {

constexpr int64_t kLatePart = 4;    // one in so many items of a step
constexpr int64_t kLongerPart = 8;  // likewise, beyond it

// What a step gives to prompts: `budget` items are left, of which each call takes.
struct Plan {
  absl::Span<const RowLoad> rows;
  std::vector<int64_t> items;

  int64_t Left(size_t row) const { return rows[row].to_read - items[row]; }
  void Give(size_t row, int64_t more, int64_t* budget) {
    items[row] += more;
    *budget -= more;
  }
};

// Equal parts for `prompts`, in rounds: each round divides what is left among those
// that still want more. A round either uses up the budget but for less than one
// item a row, or satisfies a row, so there are at most prompts.size() + 1.
void ShareEvenly(std::vector<size_t> prompts, int64_t turn, int64_t* budget, Plan* plan) {
  const std::vector<size_t> all = prompts;
  while (!prompts.empty() && *budget >= static_cast<int64_t>(prompts.size())) {
    const int64_t part = *budget / static_cast<int64_t>(prompts.size());
    std::vector<size_t> hungry;
    for (const size_t row : prompts) {
      plan->Give(row, std::min(part, plan->Left(row)), budget);
      if (plan->Left(row) > 0) hungry.push_back(row);
    }
    prompts = std::move(hungry);
  }
  for (size_t i = 0; i < all.size() && *budget > 0; ++i) {
    const size_t row = all[(static_cast<size_t>(turn) + i) % all.size()];
    if (plan->Left(row) > 0) plan->Give(row, 1, budget);
  }
}

// All of the budget to the row that has least left, then to the next; `longer` items
// more where they end a prompt.
void ServeShortest(std::vector<size_t> prompts, int64_t longer, int64_t* budget,
                   Plan* plan) {
  std::stable_sort(prompts.begin(), prompts.end(), [&](size_t a, size_t b) {
    return plan->rows[a].to_read < plan->rows[b].to_read;
  });
  for (const size_t row : prompts) {
    if (*budget <= 0) return;
    const int64_t left = plan->Left(row);
    plan->Give(row, left <= *budget + longer ? left : *budget, budget);
  }
}

}  // namespace

std::vector<int64_t> PlanStep(absl::Span<const RowLoad> rows,
                              int64_t prefill_items, int64_t turn) {
  Plan plan{rows, std::vector<int64_t>(rows.size(), 0)};
  std::vector<size_t> prompts;
  std::vector<size_t> late;
  for (size_t row = 0; row < rows.size(); ++row) {
    if (rows[row].to_read == 0) {
      plan.items[row] = 1;
      continue;
    }
    prompts.push_back(row);
    if (rows[row].waited >= kLateAfter) late.push_back(row);
  }
  int64_t shared = late.empty() ? 0 : (prefill_items + kLatePart - 1) / kLatePart;
  int64_t budget = prefill_items - shared;
  ShareEvenly(late, turn, &shared, &plan);
  budget += shared;
  ServeShortest(prompts, prefill_items / kLongerPart, &budget, &plan);
  return std::move(plan.items);
}

bool ShouldTake(int64_t self, absl::Span<const int64_t> others,
                int64_t queued) {
  int64_t ahead = 0;  // requests that less loaded workers should take first
  for (const int64_t other : others) ahead += std::max<int64_t>(0, self - other);
  return ahead < queued;
}

}  // namespace strata
