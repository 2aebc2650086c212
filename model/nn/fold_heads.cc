#include "model/nn/fold_heads.h"

#include <ATen/Parallel.h>

#include <algorithm>

#include "model/nn/cpu_kernels.h"
#include "model/nn/has_cpu_kernel.h"

namespace strata {
namespace {

// [B, n, H, K] -> [B * phases, phase chunks, chunk, H, K], zeros after the last
// item.
torch::Tensor InChunks(const torch::Tensor& x, const AttentionPlan& plan) {
  const int64_t ranks = plan.phase_chunks() * plan.chunk;
  const int64_t padding = ranks * plan.phases - plan.items;
  const auto padded =
      padding == 0 ? x : at::constant_pad_nd(x, {0, 0, 0, 0, 0, padding});
  return padded.reshape({plan.batch, ranks, plan.phases, x.size(2), x.size(3)})
      .transpose(1, 2)
      .reshape({plan.batch * plan.phases, plan.phase_chunks(), plan.chunk,
                x.size(2), x.size(3)});
}

// Puts each chunk's predecessor before it: zeros before the first.
torch::Tensor WithLookBack(const torch::Tensor& chunks) {
  const auto before = at::constant_pad_nd(chunks.slice(1, 0, -1),
                                          {0, 0, 0, 0, 0, 0, 1, 0});
  return at::cat({before, chunks}, 2);
}

FoldedHeads ComposedFold(const torch::Tensor& qkv, int64_t heads,
                         const AttentionPlan& plan) {
  const int64_t head_dim = qkv.size(-1) / (3 * heads);
  const auto parts =
      qkv.view({plan.batch, plan.items, 3, heads, head_dim}).unbind(2);
  auto q = InChunks(ApplyRope(parts[0], plan.turns.q), plan);
  auto k = InChunks(ApplyRope(parts[1], plan.turns.k), plan);
  auto v = InChunks(parts[2], plan);
  if (plan.look_back > 0) {
    k = WithLookBack(k);
    v = WithLookBack(v);
  }
  return {q.flatten(0, 1), k.flatten(0, 1), v.flatten(0, 1)};
}

// The same in one pass each way, on raw rows.
template <typename T>
class RowFold {
 public:
  RowFold(int64_t heads, int64_t head_dim, const AttentionPlan& plan)
      : heads_(heads),
        head_dim_(head_dim),
        width_(heads * head_dim),
        plan_(plan),
        turns_{Of(plan.turns.q), Of(plan.turns.k)} {}

  // Fills one chunk's queries, keys and values.
  void FillChunk(const T* qkv, int64_t row, T* q, T* k, T* v) const {
    const int64_t chunks = plan_.chunks();
    const int64_t first = plan_.QueryItem(row % chunks, 0);
    const T* items = qkv + row / chunks * plan_.items * 3 * width_;
    q += row * plan_.chunk * width_;
    k += row * plan_.near_keys() * width_;
    v += row * plan_.near_keys() * width_;
    for (int64_t r = 0; r < plan_.chunk; ++r, q += width_) {
      Turn(items, first + r * plan_.phases, 0, q);
    }
    for (int64_t s = 0; s < plan_.near_keys(); ++s, k += width_, v += width_) {
      const int64_t item = first + (s - plan_.look_back) * plan_.phases;
      Turn(items, item, 1, k);
      if (Exists(item)) {
        std::copy_n(items + (3 * item + 2) * width_, width_, v);
      } else {
        std::fill_n(v, width_, T{0});
      }
    }
  }

  // Gathers the gradients of one item; a key may stand in two chunks.
  void GatherItem(const T* grad_q, const T* grad_k, const T* grad_v,
                  int64_t index, T* sum, T* grad_qkv) const {
    const int64_t item = index % plan_.items;
    const int64_t rank = item / plan_.phases;
    const int64_t chunk = rank / plan_.chunk;
    const int64_t row = index / plan_.items * plan_.chunks() +
                        item % plan_.phases * plan_.phase_chunks() + chunk;
    const int64_t r = rank % plan_.chunk;
    T* out = grad_qkv + index * 3 * width_;
    TurnBack(grad_q + (row * plan_.chunk + r) * width_, item, 0, out);
    const int64_t own =
        (row * plan_.near_keys() + plan_.look_back + r) * width_;
    const bool twice = plan_.look_back > 0 && chunk + 1 < plan_.phase_chunks();
    if (!twice) {
      TurnBack(grad_k + own, item, 1, out + width_);
      std::copy_n(grad_v + own, width_, out + 2 * width_);
      return;
    }
    const int64_t next = ((row + 1) * plan_.near_keys() + r) * width_;
    for (int64_t d = 0; d < width_; ++d) {
      sum[d] = grad_k[own + d] + grad_k[next + d];
    }
    TurnBack(sum, item, 1, out + width_);
    for (int64_t d = 0; d < width_; ++d) {
      out[2 * width_ + d] = grad_v[own + d] + grad_v[next + d];
    }
  }

 private:
  struct Turns {
    const T* cos;
    const T* sin;
  };
  static Turns Of(const RopeTables& tables) {
    return {tables.cos.const_data_ptr<T>(), tables.sin.const_data_ptr<T>()};
  }

  bool Exists(int64_t item) const { return item >= 0 && item < plan_.items; }

  void Turn(const T* items, int64_t item, int64_t part, T* to) const {
    if (!Exists(item)) {
      std::fill_n(to, width_, T{0});
      return;
    }
    const int64_t at = item * (head_dim_ / 2);
    RotateHeads(items + (3 * item + part) * width_, turns_[part].cos + at,
                turns_[part].sin + at, heads_, head_dim_, T{1}, to);
  }

  void TurnBack(const T* from, int64_t item, int64_t part, T* to) const {
    const int64_t at = item * (head_dim_ / 2);
    RotateHeads(from, turns_[part].cos + at, turns_[part].sin + at, heads_,
                head_dim_, T{-1}, to);
  }

  int64_t heads_, head_dim_, width_;
  const AttentionPlan& plan_;
  const Turns turns_[2];  // of queries, of keys
};

// What of a plan the backward pass needs, between calls.
AttentionPlan PlanOf(at::ArrayRef<int64_t> numbers,
                     const torch::autograd::variable_list& tables) {
  AttentionPlan plan;
  plan.batch = numbers[0];
  plan.items = numbers[1];
  plan.chunk = numbers[2];
  plan.look_back = numbers[3];
  plan.phases = numbers[4];
  plan.turns.q = {tables[0], tables[1]};
  plan.turns.k = {tables[2], tables[3]};
  return plan;
}

class FusedFold : public torch::autograd::Function<FusedFold> {
 public:
  static torch::autograd::variable_list forward(
      torch::autograd::AutogradContext* context, const torch::Tensor& input,
      const torch::Tensor& q_cos, const torch::Tensor& q_sin,
      const torch::Tensor& k_cos, const torch::Tensor& k_sin,
      std::vector<int64_t> numbers, int64_t heads) {
    const torch::autograd::variable_list tables = {q_cos, q_sin, k_cos, k_sin};
    const AttentionPlan plan = PlanOf(numbers, tables);
    const auto qkv = input.contiguous();
    const int64_t head_dim = qkv.size(-1) / (3 * heads);
    const int64_t rows = plan.batch * plan.chunks();
    auto q = at::empty({rows, plan.chunk, heads, head_dim}, qkv.options());
    auto k = at::empty({rows, plan.near_keys(), heads, head_dim}, qkv.options());
    auto v = at::empty_like(k);
    AT_DISPATCH_FLOATING_TYPES(qkv.scalar_type(), "FusedFold", [&] {
      const RowFold<scalar_t> fold(heads, head_dim, plan);
      at::parallel_for(0, rows, 1, [&](int64_t begin, int64_t end) {
        for (int64_t row = begin; row < end; ++row) {
          fold.FillChunk(qkv.const_data_ptr<scalar_t>(), row,
                         q.mutable_data_ptr<scalar_t>(),
                         k.mutable_data_ptr<scalar_t>(),
                         v.mutable_data_ptr<scalar_t>());
        }
      });
    });
    context->save_for_backward(tables);
    context->saved_data["numbers"] = numbers;
    return {q, k, v};
  }

  static torch::autograd::variable_list backward(
      torch::autograd::AutogradContext* context,
      torch::autograd::variable_list grads) {
    const auto saved = context->get_saved_variables();
    const auto numbers = context->saved_data["numbers"].toIntVector();
    const AttentionPlan plan = PlanOf(numbers, saved);
    for (auto& grad : grads) grad = grad.contiguous();
    const int64_t heads = grads[0].size(2);
    const int64_t head_dim = grads[0].size(3);
    const int64_t width = heads * head_dim;
    auto grad_qkv = at::empty({plan.batch, plan.items, 3 * width},
                              grads[0].options());
    AT_DISPATCH_FLOATING_TYPES(grad_qkv.scalar_type(), "FusedFoldBack", [&] {
      const RowFold<scalar_t> fold(heads, head_dim, plan);
      at::parallel_for(0, plan.batch * plan.items, 64,
                       [&](int64_t begin, int64_t end) {
        std::vector<scalar_t> sum(width);
        for (int64_t index = begin; index < end; ++index) {
          fold.GatherItem(grads[0].const_data_ptr<scalar_t>(),
                          grads[1].const_data_ptr<scalar_t>(),
                          grads[2].const_data_ptr<scalar_t>(), index,
                          sum.data(), grad_qkv.mutable_data_ptr<scalar_t>());
        }
      });
    });
    return {grad_qkv, {}, {}, {}, {}, {}, {}};
  }
};

FoldedHeads NearHeads(const torch::Tensor& qkv, int64_t heads,
                      const AttentionPlan& plan) {
  if (!HasCpuKernel(qkv) || plan.turns.q.cos.dim() != 2) {
    return ComposedFold(qkv, heads, plan);
  }
  const auto folded = FusedFold::apply(
      qkv, plan.turns.q.cos, plan.turns.q.sin, plan.turns.k.cos,
      plan.turns.k.sin,
      std::vector<int64_t>{plan.batch, plan.items, plan.chunk, plan.look_back,
                           plan.phases},
      heads);
  return {folded[0], folded[1], folded[2]};
}

// Queries, keys and values of the kept items, or the means that they stand for:
// [B, kept, 3 D].
torch::Tensor KeptItems(const torch::Tensor& qkv, const AttentionPlan& plan) {
  const int64_t width = qkv.size(-1);
  torch::Tensor sum;
  for (int64_t back = plan.pooled - 1; back >= 0; --back) {
    const auto at = (plan.kept_index - back).clamp_min(0);  // of padding, anything
    const auto rows = qkv.gather(1, at.unsqueeze(-1).expand({-1, -1, width}));
    sum = sum.defined() ? sum + rows : rows;
  }
  return plan.pooled == 1 ? sum : sum / static_cast<double>(plan.pooled);
}

// The kept items' keys and values before those of every chunk.
FoldedHeads WithKept(const torch::Tensor& qkv, int64_t heads,
                     const AttentionPlan& plan, const FoldedHeads& near) {
  const int64_t width = qkv.size(-1) / 3;
  const int64_t rows = plan.batch * plan.kept;
  const auto parts = KeptItems(qkv, plan).view({rows, 3, heads, width / heads});
  const auto at = plan.kept_index.flatten();
  const RopeTables turns = {plan.turns.k.cos.index_select(0, at),
                            plan.turns.k.sin.index_select(0, at)};
  const auto before = [&](const torch::Tensor& kept, const torch::Tensor& chunks) {
    const auto each =
        kept.view({plan.batch, 1, plan.kept, heads, width / heads})
            .expand({-1, plan.chunks(), -1, -1, -1});
    return at::cat({each.flatten(0, 1), chunks}, 1);
  };
  return {near.q, before(ApplyRope(parts.select(1, 1), turns), near.k),
          before(parts.select(1, 2).contiguous(), near.v)};
}

}  // namespace

FoldedHeads FoldHeads(const torch::Tensor& qkv, int64_t heads,
                      const AttentionPlan& plan) {
  const FoldedHeads near = NearHeads(qkv, heads, plan);
  return plan.kept == 0 ? near : WithKept(qkv, heads, plan, near);
}

torch::Tensor UnfoldQueries(const torch::Tensor& folded,
                            const AttentionPlan& plan) {
  const int64_t ranks = plan.phase_chunks() * plan.chunk;
  const int64_t width = folded.size(2) * folded.size(3);
  return folded.reshape({plan.batch, plan.phases, ranks, width})
      .transpose(1, 2)
      .reshape({plan.batch, ranks * plan.phases, width})
      .narrow(1, 0, plan.items);
}

}  // namespace strata
