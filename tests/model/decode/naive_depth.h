#pragma once
// Items that stop before the last layer of a stack, item by item in doubles: halting
// after a repeat (model/nn/halting_unit.h), leaving after a layer (exit_heads.h). Shares
// nothing with the executors.

#include <cmath>
#include <string>
#include <vector>

#include "model/model_config.h"
#include "tests/model/decode/test_model.h"

namespace strata::naive {

class Depth {
 public:
  Depth(const LevelConfig& level, int layers, size_t items)
      : level_(level), layers_(layers), stopped_(items, 0), states_(items) {}

  bool Stopped(size_t i) const { return stopped_[i] != 0; }

  // x after run `run`. `at`: the names of the stack's tensors begin so.
  void AfterRun(int run, const TestWeights& weights, const std::string& at,
                const Rows& x) {
    Leave(run, weights, at, x);
    if (level_.ponder == 0 || (run + 1) % layers_ != 0) return;
    for (size_t i = 0; i < x.size(); ++i) {
      if (Stopped(i)) continue;
      double sum = weights.at(at + "halt.bias")[0];
      for (size_t d = 0; d < x[i].size(); ++d) {
        sum += weights.at(at + "halt.weight")[d] * x[i][d];
      }
      states_[i].push_back({1 / (1 + std::exp(-sum)), x[i]});
      double likely = 0;
      for (const State& state : states_[i]) likely += state.p;
      stopped_[i] = likely > 0.99;
    }
  }

  // In place of the last states, their means.
  void Finish(Rows* x) const {
    for (size_t i = 0; layers_ > 0 && level_.ponder > 0 && i < x->size(); ++i) {
      double left = 1;
      std::vector<double> mean(x->at(i).size());
      for (size_t r = 0; r < states_[i].size(); ++r) {
        const double share = r + 1 < states_[i].size() ? states_[i][r].p : left;
        for (size_t d = 0; d < mean.size(); ++d) mean[d] += share * states_[i][r].x[d];
        left -= share;
      }
      (*x)[i] = mean;
    }
  }

 private:
  void Leave(int run, const TestWeights& weights, const std::string& at, const Rows& x) {
    const int head = run + 1 - level_.exits;
    const bool decoder = at.find(".dec.") != std::string::npos;
    if (!decoder || level_.exits == 0 || head < 0 || run + 1 >= layers_) return;
    for (size_t i = 0; i < x.size(); ++i) {
      double sum = weights.at(at + "exit.bias")[head];
      for (size_t d = 0; d < x[i].size(); ++d) {
        sum += weights.at(at + "exit.weight")[head * x[i].size() + d] * x[i][d];
      }
      if (1 / (1 + std::exp(-sum)) > weights.at(at + "exit.threshold")[0]) stopped_[i] = 1;
    }
  }

  struct State {
    double p;
    std::vector<double> x;
  };
  const LevelConfig& level_;
  const int layers_;
  std::vector<int> stopped_;
  std::vector<std::vector<State>> states_;  // of each item, after each of its repeats
};

}  // namespace strata::naive
