#include "model/nn/turn_tables.h"

#include <algorithm>

#include "model/position_shape.h"

namespace strata {

TurnCache::TurnCache(const ModelConfig& config, int level)
    : scheme_(*config.levels[level].position),
      head_dim_(config.levels[level].dim / config.levels[level].heads),
      theta_(config.rope_theta),
      rates_(ScaleRates(config.levels[level])),
      centre_(PositionCentre(config, level)) {}

TurnTables TurnCache::Get(int64_t n, const torch::TensorOptions& options) {
  if (!Covers(cached_.q, n, options)) {
    const TurnTables exact = Make(std::max<int64_t>(n, 64));
    const auto as = [&](const RopeTables& tables) -> RopeTables {
      return {tables.cos.to(options), tables.sin.to(options)};
    };
    cached_.q = as(exact.q);
    cached_.k = rates_.empty() ? cached_.q : as(exact.k);
  }
  TurnTables first;
  first.q = FirstRows(cached_.q, n);
  first.k = FirstRows(cached_.k, n);
  return first;
}

TurnTables TurnCache::Make(int64_t rows) const {
  RopeTables angles = Angles(0, rows, head_dim_, theta_);
  if (!scheme_.turns) {
    return RopeTables{at::ones_like(angles.cos), at::zeros_like(angles.sin)};
  }
  if (rates_.empty()) return angles;
  const auto scale =
      at::outer(torch::arange(rows, torch::kDouble) -
                    static_cast<double>(centre_),
                torch::tensor(rates_, torch::kDouble))
          .exp();
  TurnTables made;
  made.q = {angles.cos * scale, angles.sin * scale};
  made.k = {angles.cos / scale, angles.sin / scale};
  return made;
}

}  // namespace strata
