#pragma once
// LabelScore: how well labels were guessed. Thread-compatible.
//
//   accuracy   right / all
//   F1 of c    2 right_c / (true_c + guessed_c)
//   macro-F1   its mean over the labels that are true or guessed somewhere: a
//              rare label counts as much as a frequent one

#include <cstdint>
#include <vector>

namespace strata {

class LabelScore {
 public:
  explicit LabelScore(int64_t labels)
      : truth_(labels), guessed_(labels), right_(labels) {}

  void Add(int64_t truth, int64_t guess);

  // 0 of nothing.
  double Accuracy() const;
  double MacroF1() const;

 private:
  std::vector<int64_t> truth_, guessed_, right_;  // by label
};

}  // namespace strata
