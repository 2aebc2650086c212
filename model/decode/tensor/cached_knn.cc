#include "model/decode/tensor/cached_knn.h"

#include <map>

#include "model/decode/tensor/past_keys.h"
#include "model/knn_rule.h"
#include "model/nn/scored_attention.h"
#include "model/nn/upload.h"

namespace strata {

CachedKnn::CachedKnn(const LevelConfig& level, const std::vector<CachedRow>& rows,
                     const TurnTables& turns)
    : heads_(level.heads),
      writes_(PlanSlotWrites(KnnSpec(level), rows, turns.q.cos.device())) {
  std::map<int64_t, std::vector<CachedRow>> members;
  for (const CachedRow& row : rows) {
    if (row.count > 0) members[row.count].push_back(row);
  }
  for (const auto& [count, group] : members) {
    groups_.push_back(MakeGroup(level, group, turns));
  }
}

CachedKnn::Group CachedKnn::MakeGroup(const LevelConfig& level,
                                      const std::vector<CachedRow>& rows,
                                      const TurnTables& turns) const {
  const torch::Device device = turns.q.cos.device();
  Group group;
  group.batch = static_cast<int64_t>(rows.size());
  group.count = rows[0].count;
  PastKeys past;
  for (const CachedRow& row : rows) {
    past.AddRow(KnnSpec(level), row.begin, row.count, row.cache, row.slots);
  }
  const NewItems items = NewItemsOf(rows);
  group.past = past.longest();
  group.items = Upload(items.rows, device);
  const PastKeys::Tensors cached = past.Make(device);
  group.gather = cached.key_row;
  group.stride = cached.slots;
  const auto query = Upload(items.positions, device).view({group.batch, -1});
  const auto key = at::cat({cached.position, query}, 1);
  // Padding lies at -1.
  group.turns = RowsOf(turns, key.clamp_min(0)).k;
  group.q_turns = RowsOf(turns, query).q;
  group.distance = query.unsqueeze(2) - key.unsqueeze(1);
  const auto there = (key >= 0).unsqueeze(1);
  const int64_t window = level.window;
  group.window = there & (group.distance >= 0) & (group.distance < window);
  group.memory = there & (group.distance >= window) &
                 (group.distance < window + level.knn_items);
  group.reaches = query >= window;
  return group;
}

torch::Tensor CachedKnn::AttendGroup(const Group& group,
                                     const std::vector<torch::Tensor>& qkv,
                                     const torch::Tensor& normed,
                                     AttentionLayerImpl& layer,
                                     const torch::Tensor& pool) const {
  const auto pick = [&](const torch::Tensor& x) {
    return x.index_select(0, group.items).unflatten(0, {group.batch, group.count});
  };
  const auto q = pick(qkv[0]);
  auto keys = pick(qkv[1]), values = pick(qkv[2]);
  if (group.past > 0) {
    const auto cached =
        pool.index_select(0, at::cat({group.gather, group.gather + group.stride}))
            .view({2, group.batch, group.past, heads_, -1});
    keys = at::cat({cached[0], keys}, 1);
    values = at::cat({cached[1], values}, 1);
  }
  const auto turned_q = ApplyRope(q, group.q_turns);
  const auto turned = ApplyRope(keys, group.turns);
  const auto window = group.window.unsqueeze(1);
  const auto local =
      layer.term() != nullptr
          ? ScoredAttention::Attend(turned_q, turned, values, window, group.distance,
                                    *layer.term())
          : at::scaled_dot_product_attention(
                turned_q.transpose(1, 2), turned.transpose(1, 2),
                values.transpose(1, 2), window)
                .transpose(1, 2);
  const KnnMemory& memory = layer.memory();
  const auto share = memory->Share(pick(normed), group.reaches).unsqueeze(-1);
  const auto near =
      at::matmul(memory->Weights(memory->Queries(q), memory->Keys(keys),
                                 group.memory.unsqueeze(1)),
                 values.transpose(1, 2))
          .transpose(1, 2);
  return share * near + (1 - share) * local;
}

torch::Tensor CachedKnn::Attend(const torch::Tensor& qkv, const torch::Tensor& normed,
                                AttentionLayerImpl& layer, torch::Tensor* pool) const {
  const int64_t dim = qkv.size(1) / 3;
  std::vector<torch::Tensor> parts;
  for (const torch::Tensor& part : qkv.chunk(3, 1)) {
    parts.push_back(part.reshape({-1, heads_, dim / heads_}));
  }
  auto mixed = at::empty({qkv.size(0), dim}, qkv.options());
  for (const Group& group : groups_) {
    mixed.index_copy_(0, group.items, AttendGroup(group, parts, normed, layer, *pool)
                                          .reshape({-1, dim}));
  }
  for (const int64_t part : {1, 2}) {
    const auto to = writes_.rows + (part - 1) * writes_.stride;
    pool->index_copy_(0, to, parts[part].index_select(0, writes_.items).flatten(1));
  }
  return mixed;
}

}  // namespace strata
