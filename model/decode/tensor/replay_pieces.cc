#include "model/decode/tensor/replay_pieces.h"

#include <algorithm>

#include "model/decode/tensor/attend_through.h"
#include "model/knn_rule.h"

namespace strata {
namespace {

// Where an item has a slot of its own, a key is an item's, and all keys that are seen lie
// in a few runs.
bool CoversStack(const ScopeSpec& spec, int runs) {
  const ScopeRule& rule = RuleOf(spec.scope);
  return runs == 0 || (rule.slot != nullptr && rule.gap == nullptr &&
                       !rule.summed && PooledItems(spec) == 1);
}

// Some terms of scores look at how far keys are, or make their rows on the host.
bool CoversTerm(const PositionScheme& scheme) {
  return scheme.bias == nullptr && (scheme.relative == RelativeKeys::kNone ||
                                    scheme.relative == RelativeKeys::kLearned);
}

bool CoversLevel(const LevelConfig& level) {
  return CoversStack(SpecOf(level, level.enc_scope), EncoderRuns(level)) &&
         CoversStack(DecoderSpec(level), DecoderRuns(level)) &&
         level.dec_scope != Scope::kTree && CoversTerm(*level.position) &&
         level.ponder == 0 && level.exits == 0 && !HasKnn(level) &&
         level.streams.empty() && level.bridge != BridgeKind::kPrefix && level.block_rule != BlockRule::kRouter;
}

// Into the first rows of a buffer.
void Put(const torch::Tensor& values, const torch::Tensor& buffer) {
  buffer.narrow(0, 0, values.size(0)).copy_(values, /*non_blocking=*/true);
}

}  // namespace

bool ReplayPieces::Covers(const ModelConfig& config) {
  return std::all_of(config.levels.begin(), config.levels.end(), CoversLevel);
}

ReplayPieces::ReplayPieces(DeviceModel* model, int64_t most_rows) : model_(model) {
  const ModelConfig& config = model->config();
  const torch::TensorOptions reals = model->options();
  const auto numbers = reals.dtype(torch::kLong);
  for (int l = 0; l < static_cast<int>(config.levels.size()); ++l) {
    ReplayPlan plan(config, l);
    const int64_t dim = level(l).dim;
    const auto room = torch::zeros({plan.width() * most_rows}, numbers);
    const auto buffer = [&] { return torch::zeros({most_rows, dim}, reals); };
    levels_.push_back({std::move(plan), room, buffer(), buffer(), buffer()});
  }
  items_ = torch::zeros({most_rows}, numbers);
  logits_ = torch::zeros({most_rows, config.vocab}, reals);
  columns_ = torch::arange(2 * config.max_context + kLeastPast, numbers);
}

void ReplayPieces::Run(Piece piece, int l, int64_t rows, int64_t past,
                       const std::vector<torch::Tensor>& pools) {
  const torch::NoGradGuard no_grad;
  switch (piece) {
    case Piece::kUnits: return Units(l, rows, pools[l - 1]);
    case Piece::kEncode: return Encode(l, rows, past, pools[l]);
    case Piece::kBridge: return Bridge(l, rows, pools[l - 1]);
    case Piece::kDecode: return Decode(l, rows, past, pools[l]);
  }
}

torch::Tensor ReplayPieces::Part(int l, const ReplayPlan::Part& part,
                                 int64_t rows) const {
  return levels_[l]
      .numbers.narrow(0, part.offset * rows, part.width * rows)
      .view({rows, part.width});
}

void ReplayPieces::Units(int l, int64_t rows, const torch::Tensor& pool_below) {
  const LevelConfig& below = level(l - 1);
  const auto& from = BufferedItems(below) > 0 ? pool_below : levels_[l - 1].h;
  const auto items = from.index_select(0, Flat(l, plan(l).units(), rows));
  Put(net(l - 1).Pool(items.view({rows, PoolItems(below), below.dim})), levels_[l].z);
}

void ReplayPieces::Encode(int l, int64_t rows, int64_t past, torch::Tensor pool) {
  const auto z = l == 0 ? model_->net().Embed(items_.narrow(0, 0, rows))
                        : levels_[l].z.narrow(0, 0, rows);
  const auto h = RunStack(l, Stack::kEncoder, z, past, pool);
  Put(h, levels_[l].h);
  const ReplayPlan::Part& buffer = plan(l).buffer();
  if (buffer.width > 0) pool.index_copy_(0, Flat(l, buffer, rows), h);
}

void ReplayPieces::Bridge(int l, int64_t rows, torch::Tensor pool_below) {
  const LevelConfig& below = level(l - 1);
  const ReplayPlan& plan = this->plan(l);
  const auto said = net(l - 1)
                        .Bridge(levels_[l].c.narrow(0, 0, rows))
                        .view({rows, BridgeRows(below), below.dim});
  const auto keep = [&](int64_t first, const ReplayPlan::Part& where) {
    if (where.width == 0) return;
    pool_below.index_copy_(
        0, Flat(l, where, rows),
        said.narrow(1, first, where.width).reshape({-1, below.dim}));
  };
  keep(0, plan.contexts());
  keep(below.block, plan.bridged());
}

void ReplayPieces::Decode(int l, int64_t rows, int64_t past, torch::Tensor pool) {
  const auto h = levels_[l].h.narrow(0, 0, rows);
  const auto u = IsTop(l) ? h : FromAbove(l, h, pool);
  const auto c = net(l).Norm(RunStack(l, Stack::kDecoder, u, past, pool));
  Put(c, levels_[l].c);
  if (l == 0) Put(model_->net().Head(c), logits_);
}

torch::Tensor ReplayPieces::FromAbove(int l, const torch::Tensor& h,
                                      const torch::Tensor& pool) {
  const ReplayPlan& plan = this->plan(l);
  const int64_t rows = h.size(0), dim = level(l).dim;
  const auto taken = [&](const ReplayPlan::Part& part) {
    return pool.index_select(0, Flat(l, part, rows)).view({1, rows, part.width, dim});
  };
  const auto u = h + taken(plan.context()).view({rows, dim});
  if (level(l).bridge != BridgeKind::kAttention) return u;
  const auto seen = Part(l, plan.bridge_seen(), rows).to(torch::kBool).unsqueeze(0);
  const auto mixed = net(l).bridge_attention()->Attend(
      u.view({1, rows, 1, dim}), taken(plan.bridge_keys()),
      taken(plan.bridge_values()), seen);
  return u + mixed.view({rows, dim});
}

CachedAttention::SingleItems ReplayPieces::Keys(int l, Stack stack, int64_t rows,
                                                int64_t past) const {
  const ReplayPlan::StackParts& parts = plan(l).stack(stack);
  const auto runs = [&](const ReplayPlan::Part& part) {
    return Part(l, part, rows).unsqueeze(1);  // [rows, 1, kRuns]
  };
  const auto column = columns_.narrow(0, 0, past).view({1, past, 1});
  const auto inside =
      ((column >= runs(parts.begin)) & (column < runs(parts.end))).to(torch::kLong);
  // Of the one run that a column is of, if it is of one.
  const auto chosen = [&](const torch::Tensor& x) { return (inside * x).sum(-1); };
  const auto there = chosen(at::ones_like(column));
  CachedAttention::SingleItems items;
  items.position = Flat(l, parts.position, rows);
  items.gather = chosen(runs(parts.row) + column);
  items.slots = there * Part(l, parts.slots, rows);
  items.visible = there.to(torch::kBool);
  items.key = chosen(runs(parts.item) + column * runs(parts.step));
  items.write = Flat(l, parts.write, rows);
  items.write_slots = Flat(l, parts.slots, rows);
  return items;
}

torch::Tensor ReplayPieces::RunStack(int l, Stack stack, const torch::Tensor& z,
                                     int64_t past, torch::Tensor pool) {
  const bool encodes = stack == Stack::kEncoder;
  if ((encodes ? EncoderRuns(level(l)) : DecoderRuns(level(l))) == 0) return z;
  const auto keys = Keys(l, stack, z.size(0), past);
  const CachedAttention attention(level(l).heads, keys, model_->turns(l));
  LayerStackImpl& layers = encodes ? net(l).encoder() : net(l).decoder();
  return AttendThrough(
      layers, net(l).Enter(z, keys.position),
      [&](const torch::Tensor& qkv, const torch::Tensor&, int run,
          AttentionLayerImpl& layer) {
        return attention.Attend(qkv, run, layer.term(), &pool);
      },
      [](int, const torch::Tensor& made) { return made; });
}

}  // namespace strata
