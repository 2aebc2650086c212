#pragma once
// What training does about NaN and infinity. Loss and gradient norm are looked
// at before the optimizer touches a weight:
//
//   skip       no update, counted; the weights stay those of the step before
//   roll back  after 3 bad steps in a row, or more than 4 of the last 200: back
//              to the last roll-back point (model/train/checkpoint.h) at half
//              the learning rate (with a short ramp), never feeding the rows of
//              those steps again
//   give up    when a 4th roll-back would be needed
//
// The state is part of every checkpoint, so a resumed run decides alike.
// Thread-compatible.

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "model/train/data_cursor.h"

namespace strata {

struct BadStep {
  int64_t step = 0;
  DataWindow rows;

  bool operator==(const BadStep&) const = default;
};

struct NonFiniteState {
  int64_t skipped_steps = 0;
  int64_t consecutive = 0;
  int64_t rollbacks = 0;
  double lr_scale = 1.0;
  int64_t rewarm_from = -1;  // step that the last roll-back returned to
  std::vector<BadStep> recent;
  std::vector<DataWindow> skip;  // rows that are never fed again

  bool operator==(const NonFiniteState&) const = default;
};

class NonFinitePolicy {
 public:
  static constexpr int64_t kMaxConsecutive = 3;
  static constexpr int64_t kRecentSteps = 200;
  static constexpr size_t kMaxRecent = 4;
  static constexpr int64_t kMaxRollbacks = 3;

  enum class Verdict { kUpdate, kSkip, kRollBack, kGiveUp };

  NonFinitePolicy() = default;
  explicit NonFinitePolicy(NonFiniteState state) : state_(std::move(state)) {}

  // Judges the step of index `step`, which fed `rows`.
  Verdict Judge(double loss, double grad_norm, int64_t step,
                const DataWindow& rows);
  // After the caller restored the state of `step`.
  void RolledBack(int64_t step);

  // True when the last judged step updated: only then may a checkpoint be made.
  bool healthy() const { return state_.consecutive == 0; }
  const NonFiniteState& state() const { return state_; }

 private:
  NonFiniteState state_;
};

}  // namespace strata
