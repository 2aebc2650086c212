#include "model/decode/tensor/cached_attention.h"

#include <algorithm>
#include <limits>
#include <map>
#include <utility>

#include "model/decode/tensor/past_keys.h"
#include "model/decode/tensor/query_mask.h"
#include "model/nn/scored_attention.h"
#include "model/nn/upload.h"

namespace strata {
namespace {

constexpr int64_t kFewItems = 16;

// Rows that attend together have equal keys. Single items are sorted by the
// magnitude of their past, above one cache line of slots. A few that see nothing
// before them, as those that begin a block, by their number.
int64_t GroupKey(const ScopeSpec& spec, const CachedRow& row) {
  const VisibleKeys seen = KeysSeen(spec, row.begin, row.begin + 1);
  if (row.count > 1) {
    const bool alone = seen.kept.count() + seen.recent.count() == 1;
    return alone && row.count <= kFewItems
               ? std::numeric_limits<int64_t>::min() + row.count
               : -1 - row.offset;
  }
  int64_t magnitude = 0;
  for (int64_t past = (seen.kept.count() + seen.recent.count() - 1) / 64; past > 0;
       past /= 2) {
    ++magnitude;
  }
  return magnitude;
}

// Of a scope with means, what its new items see or make means of: the last items before
// them, and the means that the last of these saw.
std::vector<KeyRun> CachedRuns(const ScopeSpec& spec, int64_t begin) {
  std::vector<KeyRun> runs = {{std::max<int64_t>(0, begin - spec.window), begin, 1}};
  if (begin > 0) runs.push_back(KeysSeen(spec, begin - 1, begin).kept);
  return runs;
}

}  // namespace

CachedAttention::CachedAttention(const ScopeSpec& spec, int64_t heads,
                                 const std::vector<CachedRow>& rows,
                                 const TurnTables& turns)
    : heads_(heads) {
  const torch::Device device = turns.q.cos.device();
  std::map<int64_t, std::vector<CachedRow>> members;
  for (const CachedRow& row : rows) members[GroupKey(spec, row)].push_back(row);
  const std::vector<int64_t> positions = NewItemsOf(rows).positions;
  items_ = static_cast<int64_t>(positions.size());
  turns_ = RowsOf(turns, Upload(positions, device));
  for (const auto& [key, group] : members) {
    groups_.push_back(MakeGroup(spec, group, turns));
  }
  writes_ = PlanSlotWrites(spec, rows, device);
}

CachedAttention::CachedAttention(int64_t heads, const SingleItems& items,
                                 const TurnTables& turns)
    : heads_(heads),
      items_(items.position.size(0)),
      turns_(RowsOf(turns, items.position)) {
  Group group;
  group.batch = items_;
  group.count = 1;
  group.past = items.gather.size(1);
  group.all = true;
  group.gather = items.gather.flatten();
  group.stride = items.slots.flatten();
  group.query = items.position.view({items_, 1});
  group.key = at::cat({items.key, group.query}, 1).unsqueeze(1);
  const auto own = at::ones({items_, 1}, items.visible.options());
  group.mask = at::cat({items.visible, own}, 1).view({items_, 1, 1, -1});
  groups_.push_back(std::move(group));
  writes_ = {{}, items.write, items.write_slots};
}

CachedAttention::Group CachedAttention::MakeGroup(
    const ScopeSpec& spec, const std::vector<CachedRow>& rows,
    const TurnTables& turns) const {
  const torch::Device device = turns.q.cos.device();
  const bool means = PooledItems(spec) > 1;
  Group group;
  group.batch = static_cast<int64_t>(rows.size());
  group.count = rows[0].count;
  group.all = group.batch * group.count == items_;
  const NewItems items = NewItemsOf(rows);
  PastKeys past;
  for (const CachedRow& row : rows) {
    if (means) {
      past.AddRuns(spec, CachedRuns(spec, row.begin), row.cache, row.slots);
    } else {
      past.AddRow(spec, row.begin, row.count, row.cache, row.slots);
    }
  }
  group.past = past.longest();
  group.items = Upload(items.rows, device);
  const PastKeys::Tensors cached = past.Make(device);
  group.gather = cached.key_row;
  group.stride = cached.slots;
  group.query = Upload(items.positions, device).view({group.batch, -1});
  group.key = at::cat({cached.position, group.query}, 1).unsqueeze(1);
  if (means) {
    AddMeans(spec, rows, turns, &group);
  } else {
    group.mask = QueryMask(spec, items.positions, group.key);
  }
  return group;
}

void CachedAttention::AddMeans(const ScopeSpec& spec,
                               const std::vector<CachedRow>& rows,
                               const TurnTables& turns, Group* group) const {
  const torch::Device device = turns.q.cos.device();
  std::vector<CachedMeans::Row> members;
  std::vector<int64_t> items;
  for (const CachedRow& row : rows) {
    const KeyRun raw = CachedRuns(spec, row.begin)[0];
    members.push_back({row.begin, row.count, raw.begin, 0});
    items.push_back(raw.count());
  }
  const auto means =
      std::make_shared<CachedMeans>(spec, group->past, members, turns);
  const auto column =
      torch::arange(group->past + group->count,
                    torch::TensorOptions().dtype(torch::kLong).device(device))
          .view({1, 1, -1});
  auto is_mean = (column >= Upload(items, device).view({-1, 1, 1})) &
                 (column < group->past);
  if (means->most() > 0) {
    group->means = means;
    const auto places = Upload(means->places(), device).view({group->batch, 1, -1});
    group->key = at::cat({group->key, places}, 2);
    is_mean = at::cat({is_mean, at::ones_like(places, torch::kBool)}, 2);
    PlanMeanWrites(spec, rows, group);
  }
  group->mask = QueryMask(spec, NewItemsOf(rows).positions, group->key, is_mean);
}

// As in PlanSlotWrites: of means that share a slot, the last one stays.
void CachedAttention::PlanMeanWrites(const ScopeSpec& spec,
                                     const std::vector<CachedRow>& rows,
                                     Group* group) const {
  const int64_t most = group->means->most();
  const auto& places = group->means->places();
  const auto slot_of = RuleOf(spec.scope).slot;
  std::vector<int64_t> written, targets, strides;
  for (size_t b = 0; b < rows.size(); ++b) {
    int64_t newest = -1;
    for (int64_t m = most - 1; m >= 0; --m) {
      const int64_t at = static_cast<int64_t>(b) * most + m;
      if (places[at] < 0) continue;
      newest = std::max(newest, places[at]);
      if (newest - places[at] >= int64_t{spec.rate} * spec.packed) continue;
      written.push_back(at);
      targets.push_back(rows[b].cache + slot_of(spec, places[at], spec.rate).slot);
      strides.push_back(rows[b].slots);
    }
  }
  const torch::Device device = group->key.device();
  group->mean_written = Upload(written, device);
  group->mean_write = Upload(targets, device);
  group->mean_stride = Upload(strides, device);
}

torch::Tensor CachedAttention::AttendGroup(const Group& group,
                                           const torch::Tensor& q,
                                           const torch::Tensor& k,
                                           const torch::Tensor& v, int layer,
                                           ScoreTermImpl* term,
                                           const torch::Tensor& pool,
                                           Kept* kept) const {
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
  if (group.means != nullptr) {
    const auto mean_keys = group.means->Keys(keys);
    const auto mean_values = group.means->Values(values);
    keys = at::cat({keys, mean_keys}, 1);
    values = at::cat({values, mean_values}, 1);
    const auto to = group.mean_write + 2 * layer * group.mean_stride;
    kept->rows.insert(kept->rows.end(), {to, to + group.mean_stride});
    for (const auto& x : {mean_keys, mean_values}) {
      kept->values.push_back(x.reshape({-1, heads_ * width})
                                 .index_select(0, group.mean_written));
    }
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
  Kept kept;
  for (const Group& group : groups_) {
    const auto part = AttendGroup(group, q, k, v, layer, term, *pool, &kept);
    if (group.all) {
      mixed = part;
      break;
    }
    if (!mixed.defined()) mixed = at::empty({items_, dim}, qkv.options());
    mixed.index_copy_(0, group.items, part);
  }
  const auto to = writes_.rows + 2 * layer * writes_.stride;
  kept.rows.insert(kept.rows.end(), {to, to + writes_.stride});
  for (const auto& x : {k, v}) {
    const auto stays = writes_.items.defined() ? x.index_select(0, writes_.items) : x;
    kept.values.push_back(stays.reshape({-1, dim}));
  }
  pool->index_copy_(0, at::cat(kept.rows), at::cat(kept.values));
  return mixed;
}

}  // namespace strata
