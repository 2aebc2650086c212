#include "model/decode/tensor/cached_sums.h"

#include <map>

#include "model/nn/linear_attention.h"
#include "model/nn/rope.h"
#include "model/nn/upload.h"

namespace strata {

CachedSums::CachedSums(const LevelConfig& level, const std::vector<CachedRow>& rows,
                       const TurnTables& turns)
    : heads_(level.heads), width_(level.dim / level.heads) {
  const torch::Device device = turns.q.cos.device();
  std::vector<int64_t> positions;
  std::map<int64_t, std::vector<CachedRow>> members;
  for (const CachedRow& row : rows) {
    if (row.count == 0) continue;
    members[row.count].push_back(row);
    for (int64_t j = 0; j < row.count; ++j) positions.push_back(row.begin + j);
  }
  turns_ = RowsOf(turns, Upload(positions, device));
  for (const auto& [count, group] : members) {
    groups_.push_back(MakeGroup(group, device));
  }
}

CachedSums::Group CachedSums::MakeGroup(const std::vector<CachedRow>& rows,
                                        const torch::Device& device) const {
  Group group;
  group.batch = static_cast<int64_t>(rows.size());
  group.count = rows[0].count;
  std::vector<int64_t> items, sums, fresh;
  for (const CachedRow& row : rows) {
    for (int64_t j = 0; j < row.count; ++j) items.push_back(row.offset + j);
    for (int64_t f = 0; f <= width_; ++f) sums.push_back(row.cache + f);
    fresh.push_back(row.begin == 0);
  }
  group.items = Upload(items, device);
  group.sums = Upload(sums, device);
  group.fresh = Upload(fresh, device).to(torch::kBool).view({-1, 1, 1, 1});
  return group;
}

torch::Tensor CachedSums::AttendGroup(const Group& group, const torch::Tensor& q,
                                      const torch::Tensor& k, const torch::Tensor& v,
                                      int layer, torch::Tensor* pool) const {
  const auto rows = group.sums + layer * (width_ + 1);
  const auto pick = [&](const torch::Tensor& x) {
    return x.index_select(0, group.items)
        .view({group.batch, group.count, heads_, width_});
  };
  // [batch, K + 1, H, K]: S by feature, then z; in a head z is S's last column.
  const auto kept = pool->index_select(0, rows).view(
      {group.batch, width_ + 1, heads_, width_});
  const auto by_head = kept.masked_fill(group.fresh, 0).transpose(1, 2);
  auto sums = at::cat({by_head.narrow(2, 0, width_),
                       by_head.narrow(2, width_, 1).transpose(2, 3)},
                      3);
  const auto mixed = LinearAttention::Attend(pick(q), pick(k), pick(v), {}, &sums);
  const auto after = at::cat({sums.narrow(3, 0, width_),
                              sums.narrow(3, width_, 1).transpose(2, 3)},
                             2);
  pool->index_copy_(0, rows,
                    after.transpose(1, 2).reshape({-1, heads_ * width_}));
  return mixed.reshape({-1, heads_ * width_});
}

torch::Tensor CachedSums::Attend(const torch::Tensor& qkv, int layer,
                                 torch::Tensor* pool) const {
  const int64_t dim = heads_ * width_;
  const auto heads = [&](int64_t part) {
    return qkv.narrow(1, part * dim, dim).view({-1, heads_, width_});
  };
  const auto q = ApplyRope(heads(0), turns_.q);
  const auto k = ApplyRope(heads(1), turns_.k);
  const auto v = heads(2).contiguous();
  auto mixed = at::empty({qkv.size(0), dim}, qkv.options());
  for (const Group& group : groups_) {
    mixed.index_copy_(0, group.items, AttendGroup(group, q, k, v, layer, pool));
  }
  return mixed;
}

}  // namespace strata
