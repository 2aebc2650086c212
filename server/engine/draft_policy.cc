#include "server/engine/draft_policy.h"

#include <algorithm>

namespace strata {
namespace {
// A guess is fed while all up to it hold with this chance.
constexpr double kWorthwhile = 0.4;
// What the newest guess weighs in the rate.
constexpr double kMemory = 0.06;
// Steps after which a stream whose guesses fail tries again.
constexpr int64_t kRetry = 16;
}  // namespace

int64_t DraftPolicy::Suggest(int64_t most) {
  int64_t guesses = 0;
  for (double all = rate_; guesses < most && all >= kWorthwhile; all *= rate_) {
    ++guesses;
  }
  if (guesses == 0 && ++steps_without_ >= kRetry) guesses = 1;
  return std::min(guesses, most);
}

void DraftPolicy::Note(int64_t guesses, int64_t accepted) {
  if (guesses == 0) return;
  steps_without_ = 0;
  for (int64_t i = 0; i < std::min(accepted + 1, guesses); ++i) {
    rate_ += kMemory * ((i < accepted ? 1.0 : 0.0) - rate_);
  }
}

}  // namespace strata
