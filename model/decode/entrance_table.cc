#include "model/decode/entrance_table.h"

#include <algorithm>

#include "model/position_shape.h"

namespace strata {
namespace {

template <typename T>
class Sinusoids final : public EntranceTable<T> {
 public:
  Sinusoids(double theta, int64_t items, const std::vector<T>& gain)
      : gain_(gain),
        angles_(theta, static_cast<int64_t>(gain.size()), items) {}

  void Add(int64_t item, T* scratch, T* x) const override {
    angles_.Fill(item, scratch);
    for (size_t d = 0; d < gain_.size(); ++d) x[d] += gain_[d] * scratch[d];
  }

 private:
  const std::vector<T>& gain_;
  const RopeTable angles_;
};

template <typename T>
class LearnedRows final : public EntranceTable<T> {
 public:
  LearnedRows(int64_t dim, int64_t rows, const std::vector<T>& table)
      : dim_(dim), last_(rows - 1), table_(table) {}

  void Add(int64_t item, T* /*scratch*/, T* x) const override {
    const T* row = table_.data() + std::min(item, last_) * dim_;
    for (int64_t d = 0; d < dim_; ++d) x[d] += row[d];
  }

 private:
  const int64_t dim_, last_;
  const std::vector<T>& table_;
};

}  // namespace

template <typename T>
std::unique_ptr<EntranceTable<T>> MakeEntranceTable(
    const ModelConfig& config, int level, const LevelWeights<T>& weights) {
  const LevelConfig& of = config.levels[level];
  if (weights.position.empty()) return nullptr;
  if (of.position->entrance == EntranceRows::kLearned) {
    return std::make_unique<LearnedRows<T>>(of.dim, of.position_span,
                                            weights.position[0]);
  }
  return std::make_unique<Sinusoids<T>>(
      config.rope_theta, ItemsHeld(config, level),
      weights.position[0]);
}

template std::unique_ptr<EntranceTable<float>> MakeEntranceTable(
    const ModelConfig&, int, const LevelWeights<float>&);
template std::unique_ptr<EntranceTable<double>> MakeEntranceTable(
    const ModelConfig&, int, const LevelWeights<double>&);

}  // namespace strata
