#pragma once
// DraftPolicy: how many guesses to feed with a stream's next item. Guesses that hold
// save steps; those that fail, and the making of all, cost time: how much depends on
// the model, on the machine and on how long the stream is, and how often they hold
// depends on the text. So nothing is assumed: each number is tried for some items, the
// one that brought the most items a second is kept, and now and then another one is
// tried again.
//
// Pure policy, one for each executor, like scheduler.h: no thread, no lock, no clock.
// What it says depends on what it was told alone.

#include <cstddef>
#include <cstdint>
#include <vector>

namespace strata {

class DraftPolicy {
 public:
  // `most`: what the model can guess at a time.
  explicit DraftPolicy(int64_t most);

  // False: it never says anything but 0.
  bool may_guess() const { return choices_.size() > 1; }
  int64_t guesses() const { return choices_[current_].guesses; }
  // With so many asked for, a step brought a stream `items` items in `seconds`.
  void Note(double items, double seconds);

 private:
  struct Choice {
    int64_t guesses = 0;
    double speed = 0;  // items a second; 0 while it was never tried
  };
  void ChooseAnew();

  std::vector<Choice> choices_;
  size_t current_ = 0;
  int64_t trials_ = 0;
  // Of the trial of the current one.
  double items_ = 0;
  double seconds_ = 0;
};

}  // namespace strata
