// TensorStep: where a router ends units, and how the contexts that follow are mixed with
// those before, with the differentiable model's own Router.

#include <algorithm>

#include "model/decode/tensor/row_choice.h"
#include "model/decode/tensor/tensor_step.h"

namespace strata {

// A step waits for its device here: the levels above depend on what the router says.
// (Where a position scheme has a fixed bias it waits in nn/score_term.cc, too.)
void TensorStep::Route(int l, const torch::Tensor& h) {
  const int64_t dim = level(l).dim;
  const auto both = net(l).router()->Project(h);
  const auto queries = both.slice(1, 0, dim);
  auto& pool = model_->pool().level(l);
  RowChoice before;
  std::vector<int64_t> firsts, newest, places;
  for (const auto& row : batches_[l].rows) {
    const int64_t place = row.sequence->place(l).router;
    before.FromPool(place);
    for (int64_t j = 1; j < row.count; ++j) before.FromBatch(row.offset + j - 1);
    if (row.begin == 0) firsts.push_back(row.offset);
    newest.push_back(row.offset + row.count - 1);
    places.push_back(place);
  }
  end_p_ = RouterImpl::Probability(before.Take(*model_, pool, queries),
                                   both.slice(1, dim));
  if (!firsts.empty()) end_p_.index_fill_(0, model_->Upload(firsts), 0);
  pool.index_copy_(0, model_->Upload(places),
                   queries.index_select(0, model_->Upload(newest)));
  const auto wished = (end_p_ >= kRouterEven).to(torch::kByte).cpu().contiguous();
  Reroute<TensorSequence>(
      model_->config(),
      {wished.const_data_ptr<uint8_t>(), static_cast<size_t>(wished.numel())},
      [this](int above) -> Batch& { return batches_[above]; });
}

// One row a sequence: what was said before this step, then its new contexts.
torch::Tensor TensorStep::SmoothContexts(int l, const torch::Tensor& bridged) const {
  const Batch& batch = batches_[l];
  const auto sequences = static_cast<int64_t>(batch.rows.size());
  int64_t width = 1;
  for (const auto& row : batch.rows) width = std::max(width, row.units + 1);
  std::vector<int64_t> old, taken(sequences * width), of_item(sequences * width);
  std::vector<int64_t> back;
  for (int64_t s = 0; s < sequences; ++s) {
    const auto& row = batch.rows[s];
    for (int64_t r = 0; r < BridgeRows(level(l)); ++r) {
      old.push_back(row.sequence->place(l).context + r);
    }
    taken[s * width] = s;
    for (int64_t k = 0; k < row.units; ++k) {
      const int64_t at = s * width + 1 + k;
      taken[at] = sequences + row.unit + k;
      of_item[at] = 1 + row.offset + batch.ends[row.unit + k];
      back.push_back(at);
    }
  }
  const int64_t values = BridgeRows(level(l)) * level(l).dim;
  const auto before = model_->pool()
                          .level(l)
                          .index_select(0, model_->Upload(old))
                          .view({sequences, values});
  const auto all = at::cat({before, bridged.view({-1, values})});
  const auto shares =
      at::constant_pad_nd(end_p_.clamp_min(kRouterEven), {1, 0}, 1);
  const auto smooth = Smoothed(
      all.index_select(0, model_->Upload(taken)).view({sequences, width, values}),
      shares.index_select(0, model_->Upload(of_item)).view({sequences, width}));
  return smooth.flatten(0, 1)
      .index_select(0, model_->Upload(back))
      .view({-1, level(l).dim});
}

}  // namespace strata
