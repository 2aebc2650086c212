// TensorStep: streams beside the decoder of bytes, with the differentiable model's own
// MultirateStack. They run first, all their layers, and the decoder's layers then take up
// what they made in this step or before, which the pool keeps.

#include <algorithm>

#include "model/decode/tensor/row_choice.h"
#include "model/decode/tensor/tensor_step.h"
#include "model/stream_levels.h"

namespace strata {

void TensorStep::PlanStreams() {
  for (size_t r = 0; r < streams().size(); ++r) {
    SetStreamRows<TensorSequence>(streams()[r], batches_[0], &batches_[top() + 1 + r]);
  }
}

void TensorStep::RunStreams(const torch::Tensor& u) {
  newest_.clear();
  for (int r = 0; r < static_cast<int>(streams().size()); ++r) {
    torch::Tensor said;  // undefined where no row makes an item
    if (batches_[top() + 1 + r].items > 0) {
      auto& stream = net(0).streams()->stream(r);
      said = RunStream(r, stream.Compress(CollectEntered(r, u)));
    }
    newest_.push_back(NewestSaid(r, said));
    if (said.defined()) KeepSaid(r, said);
  }
  KeepEntered(u);
}

torch::Tensor TensorStep::RunStream(int r, const torch::Tensor& compressed) {
  const int l = top() + 1 + r;
  const CachedAttention attention(DecoderSpec(level(l)), level(l).heads,
                                  CachedRows(l, Stack::kDecoder), model_->turns(l));
  std::vector<torch::Tensor> said;
  auto y = compressed;
  for (int i = 0; i < level(l).dec_layers; ++i) {
    y = net(0).streams()->stream(r).layer(i).Apply(
        y, [&](const torch::Tensor& qkv, const torch::Tensor&) {
          return attention.Attend(qkv, i, nullptr, &model_->pool().level(l));
        });
    said.push_back(y);
  }
  return at::cat(said);
}

// Of each new item the last `rate` places up to its own, oldest first: of this step, kept
// ones, and zeros before the first, as which the pool's row 0 stands. [items, rate D].
torch::Tensor TensorStep::CollectEntered(int r, const torch::Tensor& u) const {
  const StreamConfig& stream = streams()[r];
  const int64_t tail = StreamTail(level(0));
  RowChoice entered;
  for (const auto& row : batches_[0].rows) {
    const int64_t first = row.begin + 1;
    const int64_t end = StreamItems(stream, first + row.count);
    for (int64_t item = StreamItems(stream, first); item < end; ++item) {
      const int64_t last = item * stream.stride;
      for (int64_t place = last - stream.rate + 1; place <= last; ++place) {
        if (place >= first) {
          entered.FromBatch(row.offset + place - first);
        } else {
          entered.FromPool(place < 0 ? 0 : row.sequence->place(0).pool + place % tail);
        }
      }
    }
  }
  return entered.Take(*model_, model_->pool().level(0), u)
      .view({-1, int64_t{stream.rate} * level(0).dim});
}

// The last places of each row, for items to come.
void TensorStep::KeepEntered(const torch::Tensor& u) {
  const int64_t tail = StreamTail(level(0));
  std::vector<int64_t> kept, places;
  for (const auto& row : batches_[0].rows) {
    for (int64_t j = std::max<int64_t>(0, row.count - tail); j < row.count; ++j) {
      kept.push_back(row.offset + j);
      places.push_back(row.sequence->place(0).pool + (row.begin + 1 + j) % tail);
    }
  }
  model_->pool().level(0).index_copy_(0, model_->Upload(places),
                                      u.index_select(0, model_->Upload(kept)));
}

// What each item of bytes sees of a stream, by layer: [layers, items, d].
torch::Tensor TensorStep::NewestSaid(int r, const torch::Tensor& said) const {
  const StreamConfig& stream = streams()[r];
  const int l = top() + 1 + r;
  RowChoice newest;
  for (int layer = 0; layer < level(l).dec_layers; ++layer) {
    int64_t made = layer * batches_[l].items;
    for (const auto& row : batches_[0].rows) {
      const int64_t first = row.begin + 1;
      const int64_t before = StreamItems(stream, first);
      for (int64_t place = first; place < first + row.count; ++place) {
        const int64_t item = place / stream.stride;
        if (item < before) {
          newest.FromPool(row.sequence->place(l).context + layer);
        } else {
          newest.FromBatch(made + item - before);
        }
      }
      made += StreamItems(stream, first + row.count) - before;
    }
  }
  return newest.Take(*model_, model_->pool().level(l), said)
      .view({level(l).dec_layers, -1, level(l).dim});
}

// The last item of each row, for places to come.
void TensorStep::KeepSaid(int r, const torch::Tensor& said) {
  const int l = top() + 1 + r;
  std::vector<int64_t> kept, places;
  for (int layer = 0; layer < level(l).dec_layers; ++layer) {
    for (const auto& row : batches_[l].rows) {
      kept.push_back(layer * batches_[l].items + row.offset + row.count - 1);
      places.push_back(row.sequence->place(l).context + layer);
    }
  }
  model_->pool().level(l).index_copy_(0, model_->Upload(places),
                                      said.index_select(0, model_->Upload(kept)));
}

}  // namespace strata
