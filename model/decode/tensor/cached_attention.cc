#include "model/decode/tensor/cached_attention.h"

#include <algorithm>
#include <map>

#include "model/nn/scored_attention.h"
#include "model/scope_mask.h"

namespace strata {
namespace {

torch::Tensor Upload(const std::vector<int64_t>& values,
                     const torch::Device& device) {
  return torch::tensor(values, torch::kLong).to(device);
}

KeyRange Visible(const ScopeSpec& spec, int64_t position) {
  return VisibleKeys(spec.scope, position, position + 1, spec.window,
                     spec.block);
}

int64_t Past(const ScopeSpec& spec, const CachedRow& row) {
  return row.begin - Visible(spec, row.begin).begin;
}

// Rows that attend together have equal keys. Single items are sorted by the
// magnitude of their past, above one cache line of slots.
int64_t GroupKey(const ScopeSpec& spec, const CachedRow& row) {
  if (row.count > 1) return -1 - row.offset;
  int64_t magnitude = 0;
  for (int64_t past = Past(spec, row) / 64; past > 0; past /= 2) ++magnitude;
  return magnitude;
}

}  // namespace

CachedAttention::CachedAttention(const ScopeSpec& spec, int64_t heads,
                                 const std::vector<CachedRow>& rows,
                                 const TurnTables& turns)
    : heads_(heads) {
  const torch::Device device = turns.q.cos.device();
  std::vector<int64_t> positions;
  std::map<int64_t, std::vector<CachedRow>> members;
  for (const CachedRow& row : rows) {
    members[GroupKey(spec, row)].push_back(row);
    for (int64_t j = 0; j < row.count; ++j) positions.push_back(row.begin + j);
  }
  items_ = static_cast<int64_t>(positions.size());
  const auto at = Upload(positions, device);
  const auto chosen = [&](const RopeTables& tables) -> RopeTables {
    return {tables.cos.index_select(0, at), tables.sin.index_select(0, at)};
  };
  turns_.q = chosen(turns.q);
  turns_.k = chosen(turns.k);
  for (const auto& [key, group] : members) {
    groups_.push_back(MakeGroup(spec, group, device));
  }
  PlanWrites(rows, device);
}

CachedAttention::Group CachedAttention::MakeGroup(
    const ScopeSpec& spec, const std::vector<CachedRow>& rows,
    const torch::Device& device) const {
  Group group;
  group.batch = static_cast<int64_t>(rows.size());
  group.count = rows[0].count;
  group.all = group.batch * group.count == items_;
  std::vector<int64_t> items, caches, slots, past, begins, queries, firsts;
  for (const CachedRow& row : rows) {
    caches.push_back(row.cache);
    slots.push_back(row.slots);
    past.push_back(Past(spec, row));
    begins.push_back(row.begin);
    group.past = std::max(group.past, past.back());
    for (int64_t j = 0; j < row.count; ++j) {
      items.push_back(row.offset + j);
      queries.push_back(row.begin + j);
      firsts.push_back(Visible(spec, row.begin + j).begin);
    }
  }
  const auto column = [&](const std::vector<int64_t>& values) {
    return Upload(values, device).view({group.batch, -1});
  };
  group.items = Upload(items, device);
  // Cached keys are right-aligned, so that position = begin - distance.
  const auto distance = torch::arange(group.past, 0, -1, torch::kLong)
                            .to(device)
                            .unsqueeze(0);
  const auto cached = distance <= column(past);
  const auto position = column(begins) - distance;
  const auto slot = at::remainder(position, column(slots));
  group.gather = at::where(cached, column(caches) + slot, 0).flatten();
  group.stride = at::where(cached, column(slots), 0).flatten();
  group.query = column(queries);
  group.key = at::cat({at::where(cached, position, -1), group.query}, 1)
                  .unsqueeze(1);
  group.mask = ((group.key >= column(firsts).unsqueeze(2)) &
                (group.key <= group.query.unsqueeze(2)))
                   .unsqueeze(1);
  return group;
}

// Of more new items than slots, the last ones stay.
void CachedAttention::PlanWrites(const std::vector<CachedRow>& rows,
                                 const torch::Device& device) {
  std::vector<int64_t> items, targets, strides;
  for (const CachedRow& row : rows) {
    for (int64_t j = std::max<int64_t>(0, row.count - row.slots);
         j < row.count; ++j) {
      items.push_back(row.offset + j);
      targets.push_back(row.cache + (row.begin + j) % row.slots);
      strides.push_back(row.slots);
    }
  }
  written_ = Upload(items, device);
  write_ = Upload(targets, device);
  write_stride_ = Upload(strides, device);
}

torch::Tensor CachedAttention::AttendGroup(const Group& group,
                                           const torch::Tensor& q,
                                           const torch::Tensor& k,
                                           const torch::Tensor& v, int layer,
                                           ScoreTermImpl* term,
                                           const torch::Tensor& pool) const {
  const int64_t width = q.size(-1);
  const auto pick = [&](const torch::Tensor& x) {
    const auto chosen = group.all ? x : x.index_select(0, group.items);
    return chosen.view({group.batch, group.count, heads_, width});
  };
  auto keys = pick(k);
  auto values = pick(v);
  if (group.past > 0) {
    const auto from = group.gather + 2 * layer * group.stride;
    const auto cached =
        pool.index_select(0, at::cat({from, from + group.stride}))
            .view({2, group.batch, group.past, heads_, width});
    keys = at::cat({cached[0], keys}, 1);
    values = at::cat({cached[1], values}, 1);
  }
  if (term != nullptr) {
    return ScoredAttention::Attend(pick(q), keys, values, group.mask,
                                   group.query.unsqueeze(2) - group.key, *term)
        .reshape({group.batch * group.count, heads_ * width});
  }
  return at::scaled_dot_product_attention(
             pick(q).transpose(1, 2), keys.transpose(1, 2),
             values.transpose(1, 2), group.mask)
      .transpose(1, 2)
      .reshape({group.batch * group.count, heads_ * width});
}

torch::Tensor CachedAttention::Attend(const torch::Tensor& qkv, int layer,
                                      ScoreTermImpl* term,
                                      torch::Tensor* pool) const {
  const int64_t dim = qkv.size(1) / 3;
  const auto heads = [&](int64_t part) {
    return qkv.narrow(1, part * dim, dim).view({items_, heads_, dim / heads_});
  };
  const auto q = ApplyRope(heads(0), turns_.q);
  const auto k = ApplyRope(heads(1), turns_.k);
  const auto v = heads(2).contiguous();
  torch::Tensor mixed;
  for (const Group& group : groups_) {
    const auto part = AttendGroup(group, q, k, v, layer, term, *pool);
    if (group.all) {
      mixed = part;
      break;
    }
    if (!mixed.defined()) mixed = at::empty({items_, dim}, qkv.options());
    mixed.index_copy_(0, group.items, part);
  }
  const auto to = write_ + 2 * layer * write_stride_;
  const auto kept = [&](const torch::Tensor& x) {
    return x.index_select(0, written_).view({-1, dim});
  };
  pool->index_copy_(0, at::cat({to, to + write_stride_}),
                    at::cat({kept(k), kept(v)}));
  return mixed;
}

}  // namespace strata
