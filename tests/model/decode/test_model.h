#pragma once
// Random weights, and the model of model/README.md computed the
// slow way: everything from scratch, in double, loop by loop, with nothing
// shared with the decoder but the config.

#include <map>
#include <string>
#include <vector>

#include "model/items.h"
#include "model/model_config.h"
#include "model/safetensors.h"
#include "tests/model/decode/small_configs.h"

namespace strata {

// name -> (shape, values): the tensors of a config, random, scaled so that
// logits have a deviation of a few units.
class TestWeights {
 public:
  TestWeights(const ModelConfig& config, uint64_t seed);

  const std::vector<double>& at(const std::string& name) const {
    return values_.at(name);
  }
  // Views into this object: F64, or F32 (rounded on construction, so that both
  // hold the same numbers).
  std::map<std::string, TensorView> Views(DType dtype) const;
  // As they are once an executor keeps its matrices in so many bits, computed here in
  // another way: 16, of which 8 are precision; or 8, whole numbers in [-127, 127] with a
  // scale for each output. Routers, halting units, exits, positions and embeddings are no such
  // matrices.
  TestWeights Rounded(int bits) const;

 private:
  void Add(const std::string& name, std::vector<int64_t> shape, double center,
           double deviation);
  // `p`: the names of its tensors begin so.
  void AddLayer(const LevelConfig& level, const std::string& p);
  void AddStreams(const LevelConfig& base);

  uint64_t seed_;
  std::map<std::string, std::vector<int64_t>> shapes_;
  std::map<std::string, std::vector<double>> values_;
  std::map<std::string, std::vector<float>> floats_;
};

using Rows = std::vector<std::vector<double>>;

// logits[t], t in [0, items.size()], predict item t.
Rows NaiveLogits(const ModelConfig& config, const TestWeights& weights,
                 const std::vector<Item>& items);

// A router compares, and so does what lets items stop or chooses neighbours: what is
// rounded may fall on the other side, and what comes then is another thing.
bool Compares(const ModelConfig& config);

// kSos and bytes, and where `vocab` has pieces, of those too.
std::vector<Item> RandomItems(int64_t n, uint64_t seed, int vocab = kVocab);

}  // namespace strata
