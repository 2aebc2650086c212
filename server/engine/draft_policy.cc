#include "server/engine/draft_policy.h"

#include <algorithm>

namespace strata {
namespace {
// Several blocks of the usual sizes, as a step that ends one takes longer.
constexpr double kTrialItems = 64;
// One trial in so many is of a number that is not the best.
constexpr int64_t kTryAgain = 16;
// What the newest trial weighs in a speed.
constexpr double kNewest = 0.4;
}  // namespace

DraftPolicy::DraftPolicy(int64_t most) {
  for (const int64_t guesses : {0, 1, 2, 3, 5}) {
    if (guesses < most) choices_.push_back({guesses});
  }
  choices_.push_back({most});
}

void DraftPolicy::Note(double items, double seconds) {
  items_ += items;
  seconds_ += seconds;
  if (items_ < kTrialItems || seconds_ <= 0) return;
  double& speed = choices_[current_].speed;
  const double seen = items_ / seconds_;
  speed = speed == 0 ? seen : speed + kNewest * (seen - speed);
  items_ = 0;
  seconds_ = 0;
  ++trials_;
  ChooseAnew();
}

void DraftPolicy::ChooseAnew() {
  const auto untried =
      std::find_if(choices_.begin(), choices_.end(),
                   [](const Choice& choice) { return choice.speed == 0; });
  const auto best = std::max_element(
      choices_.begin(), choices_.end(),
      [](const Choice& a, const Choice& b) { return a.speed < b.speed; });
  current_ = (untried != choices_.end() ? untried : best) - choices_.begin();
  if (untried == choices_.end() && trials_ % kTryAgain == 0) {
    current_ = trials_ / kTryAgain % choices_.size();
  }
}

}  // namespace strata
