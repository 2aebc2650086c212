#include "model/nn/key_mask.h"

#include <algorithm>
#include <vector>

#include "model/nn/upload.h"

namespace strata {
namespace {

// Where the document of each item of a row begins, which may be before the row. One
// document without segments.
using Starts = std::vector<int64_t>;

std::vector<Starts> DocumentStarts(const torch::Tensor& segments, int64_t n,
                                   const torch::Tensor& before) {
  if (!segments.defined()) return {Starts(n, 0)};
  const auto host = segments.to(torch::kCPU).to(torch::kLong).contiguous();
  const int64_t* document = host.const_data_ptr<int64_t>();
  std::vector<Starts> rows;
  for (int64_t b = 0; b < host.size(0); ++b, document += n) {
    Starts starts(n, before.defined() ? -before[b].item<int64_t>() : 0);
    for (int64_t i = 1; i < n; ++i) {
      starts[i] = document[i] == document[i - 1] ? starts[i - 1] : i;
    }
    rows.push_back(std::move(starts));
  }
  return rows;
}

// The kept items that lie before the look-back of some chunk, with padding. Means lie
// nowhere else, wherever they are.
void ChooseKept(const ScopeSpec& spec, const std::vector<Starts>& rows,
                const torch::Device& device, AttentionPlan* plan) {
  const auto keeps = RuleOf(spec.scope).keeps;
  if (keeps == nullptr) return;
  const int64_t end =
      plan->pooled > 1
          ? plan->items
          : (plan->phase_chunks() - 1) * plan->chunk - plan->look_back;
  std::vector<std::vector<int64_t>> of_rows;
  for (const Starts& starts : rows) {
    std::vector<int64_t>& kept = of_rows.emplace_back();
    for (int64_t i = 0; i < end; ++i) {
      if (keeps(spec, i - starts[i])) kept.push_back(i);
    }
    plan->kept = std::max(plan->kept, static_cast<int64_t>(kept.size()));
  }
  for (int64_t b = 0; b < plan->batch; ++b) {
    std::vector<int64_t> kept = of_rows[rows.size() == 1 ? 0 : b];
    kept.resize(plan->kept, 0);
    plan->kept_items.insert(plan->kept_items.end(), kept.begin(), kept.end());
  }
  plan->kept_index = torch::tensor(plan->kept_items, torch::kLong)
                         .view({plan->batch, plan->kept});
  plan->kept_index = ToDevice(plan->kept_index, device);
}

// One row of the batch.
class RowMask {
 public:
  RowMask(const ScopeSpec& spec, const AttentionPlan& plan, const Starts& starts,
          int64_t row)
      : spec_(spec), plan_(plan), starts_(starts), column_(plan.items, -1) {
    // Kept items that are padding have no column: a row's own begin with the least.
    for (int64_t s = 0; s < plan.kept; ++s) {
      const int64_t item = plan.kept_items[row * plan.kept + s];
      if (s == 0 || item > 0) column_[item] = s;
    }
  }

  // [chunk][keys] of chunk c.
  void Fill(int64_t c, bool* out) const {
    for (int64_t r = 0; r < plan_.chunk; ++r, out += plan_.keys()) {
      const int64_t i = plan_.QueryItem(c, r);
      if (i >= plan_.items) {
        out[plan_.kept + plan_.look_back + r] = true;
        continue;
      }
      const int64_t start = starts_[i];
      const VisibleKeys seen =
          KeysSeen(spec_, i - start, plan_.items - start);
      const int64_t near = plan_.KeyItem(0, c, plan_.kept);
      Mark(seen.kept, start, plan_.pooled > 1 ? plan_.items : near, out);
      Mark(seen.recent, start, near, out);
    }
  }

 private:
  // Those before item `first` among the kept ones, the others among the chunk's. What
  // lies before the row is seen by queries alone whose results nobody asks for.
  void Mark(const KeyRun& keys, int64_t start, int64_t first, bool* out) const {
    if (keys.count() == 0) return;
    int64_t item = start + keys.begin;
    while (item < 0) item += keys.step;
    for (; item < first && item < start + keys.end; item += keys.step) {
      out[column_[item]] = true;
    }
    bool* const own = out + plan_.kept;
    if (keys.step == 1) {
      if (item < start + keys.end) {
        std::fill(own + (item - first), own + (start + keys.end - first), true);
      }
      return;
    }
    for (; item < start + keys.end; item += keys.step) {
      own[(item - first) / plan_.phases] = true;
    }
  }

  const ScopeSpec& spec_;
  const AttentionPlan& plan_;
  const Starts& starts_;
  std::vector<int64_t> column_;  // of a kept item, or -1
};

// [batch, chunks, chunk, keys] of bool: query and key are of one document.
torch::Tensor SameDocument(const AttentionPlan& plan,
                           const torch::Tensor& segments) {
  const int64_t ranks = plan.phase_chunks() * plan.chunk;
  // Padding belongs to document -1, so it sees itself alone.
  const auto by_phase =
      at::constant_pad_nd(segments, {0, ranks * plan.phases - plan.items}, -1)
          .view({plan.batch, ranks, plan.phases})
          .transpose(1, 2);
  const auto queries =
      by_phase.reshape({plan.batch, plan.chunks(), plan.chunk, 1});
  const auto keys =
      at::constant_pad_nd(by_phase, {plan.look_back, 0}, -1)
          .unfold(2, plan.near_keys(), plan.chunk)
          .reshape({plan.batch, plan.chunks(), 1, plan.near_keys()});
  return queries == keys;
}

}  // namespace

torch::Tensor MakeKeyMask(const ScopeSpec& spec, const torch::Tensor& segments,
                          const torch::Tensor& before, const torch::Device& device,
                          AttentionPlan* plan) {
  // What a scope with kept items shows depends on where documents begin; of another
  // one, it is cut.
  const bool counted = RuleOf(spec.scope).keeps != nullptr;
  const auto starts =
      DocumentStarts(counted ? segments : torch::Tensor(), plan->items, before);
  if (plan->look_back > 0 || plan->pooled > 1) {
    ChooseKept(spec, starts, device, plan);
  }
  const auto rows = static_cast<int64_t>(starts.size());
  auto visible = torch::zeros({rows, plan->chunks(), plan->chunk, plan->keys()},
                              torch::kBool);
  bool* out = visible.data_ptr<bool>();
  for (int64_t b = 0; b < rows; ++b) {
    const RowMask row(spec, *plan, starts[b], b);
    for (int64_t c = 0; c < plan->chunks(); ++c) {
      row.Fill(c, out);
      out += plan->chunk * plan->keys();
    }
  }
  visible = ToDevice(visible, device);
  return segments.defined() && !counted
             ? visible & SameDocument(*plan, segments)
             : visible;
}

}  // namespace strata
