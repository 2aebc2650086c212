#pragma once
// The tree scope of model/README.md the slow way: each node from its two
// children, each from theirs, down to the leaves; which nodes an item sees is
// worked out from the bits of its leaf's number. Shares nothing with the model.

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "model/model_config.h"
#include "tests/model/decode/naive_math.h"
#include "tests/model/decode/test_model.h"

namespace strata {

class NaiveTree {
 public:
  // `layer`: "level.0.dec.1."; `qkv`: of every item. They outlive it.
  NaiveTree(const LevelConfig& level, double theta, const TestWeights& weights,
            std::string layer, const Rows& qkv)
      : level_(level),
        theta_(theta),
        weights_(weights),
        layer_(std::move(layer)),
        qkv_(qkv) {}

  // What item i sees, of one head.
  void See(int64_t i, int head, Rows* keys, Rows* values);

 private:
  struct Node {  // [m][D]
    Rows k, v;
  };
  const Node& At(int height, int64_t index);
  Node Make(int height, int64_t index);
  // The vectors that a node is made of: of a leaf, or of both children.
  void Sources(int height, int64_t index, int head, Rows* keys, Rows* values);

  const LevelConfig& level_;
  const double theta_;
  const TestWeights& weights_;
  const std::string layer_;
  const Rows& qkv_;
  std::map<std::pair<int, int64_t>, Node> nodes_;
};

}  // namespace strata
