#include "model/decode/tensor/tensor_step.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "model/decode/tensor/attend_through.h"
#include "model/decode/tensor/cached_attention.h"
#include "model/decode/tensor/cached_knn.h"
#include "model/decode/tensor/cached_sums.h"
#include "model/decode/tensor/cached_tree.h"
#include "model/decode/tensor/row_choice.h"
#include "model/knn_rule.h"

namespace strata {

template <typename Attend>
torch::Tensor TensorStep::RunLayers(int l, Stack stack, const torch::Tensor& x,
                                    Attend attend) {
  const bool encodes = stack == Stack::kEncoder;
  LayerStackImpl& layers = encodes ? net(l).encoder() : net(l).decoder();
  return AttendThrough(layers, x, attend, [&](int i, const torch::Tensor& z) {
    if (encodes || newest_.empty()) return z;
    std::vector<torch::Tensor> said;
    for (const auto& items : newest_) said.push_back(items[i]);
    return net(l).streams()->merge(i).forward(z, std::move(said));
  });
}

TensorStep::TensorStep(DeviceModel* model)
    : model_(model), batches_(model->stacks()) {}

torch::Tensor TensorStep::Run(absl::Span<const TensorRow> rows) {
  torch::NoGradGuard no_grad;
  for (const TensorRow& row : rows) {
    AddRow(model_->config(), row.sequence, row.items, row.wanted,
           [this](int l) -> Batch& { return batches_[l]; });
  }
  PlanStreams();
  const auto contexts = Advance(0, Embed(rows));
  for (int l = 0; l <= top(); ++l) AdvanceProgress(l, batches_[l]);
  if (batches_[0].wanted == 0) return {};
  return contexts;
}

void TensorStep::Prime(TensorSequence* sequence) {
  torch::NoGradGuard no_grad;
  for (Batch& batch : batches_) batch.SetOrigin(sequence);
  PlanStreams();
  torch::Tensor above;
  for (int l = top(); l >= 0; --l) {
    auto u = net(l).start().unsqueeze(0);
    if (above.defined()) {
      const auto bridged = net(l).Bridge(above).view({-1, level(l).dim});
      if (level(l).bridge == BridgeKind::kPrefix) {
        u = WithPrefixes(l, u, bridged);
      } else {
        KeepContexts(l, bridged);
        u = WithContexts(l, u + bridged.narrow(0, 0, 1), bridged);
      }
    }
    above = net(l).Norm(Wanted(l, RunDecoder(l, u)));
  }
}

torch::Tensor TensorStep::Embed(absl::Span<const TensorRow> rows) const {
  std::vector<int64_t> items;
  for (const TensorRow& row : rows) {
    items.insert(items.end(), row.items.begin(), row.items.end());
  }
  return model_->net().Embed(model_->Upload(items));
}

// Where the encoder looks ahead inside a block it runs in the pooling path
// alone, and the decoder sees the items themselves.
torch::Tensor TensorStep::Advance(int l, const torch::Tensor& z) {
  const bool looks_ahead = level(l).enc_scope == Scope::kBidirBlock;
  const auto h = looks_ahead ? z : RunStack(l, Stack::kEncoder, z);
  const auto u = l < top() ? FromAbove(l, h) : h;
  return net(l).Norm(Wanted(l, RunDecoder(l, u)));
}

torch::Tensor TensorStep::RunDecoder(int l, const torch::Tensor& u) {
  if (!level(l).streams.empty()) RunStreams(u);
  return RunStack(l, Stack::kDecoder, u);
}

std::vector<CachedRow> TensorStep::CachedRows(int l, Stack stack) const {
  const bool encodes = stack == Stack::kEncoder;
  std::vector<CachedRow> rows;
  for (const auto& row : StackRows(level(l), stack, batches_[l])) {
    const TensorSequence::Place& place = row.sequence->place(l);
    rows.push_back({encodes ? place.encoder : place.decoder,
                    encodes ? place.enc_slots : place.dec_slots, row.begin,
                    row.count, row.offset});
  }
  return rows;
}

torch::Tensor TensorStep::RunStack(int l, Stack stack, const torch::Tensor& z) {
  const bool encodes = stack == Stack::kEncoder;
  const LevelConfig& config = level(l);
  if ((encodes ? EncoderRuns(config) : DecoderRuns(config)) == 0) return z;
  const std::vector<CachedRow> rows = CachedRows(l, stack);
  if (!encodes && config.dec_scope == Scope::kTree) {
    return RunTree(l, z, rows);
  }
  const ScopeSpec spec =
      encodes ? SpecOf(config, config.enc_scope) : DecoderSpec(config);
  if (RuleOf(spec.scope).summed) return RunSums(l, stack, z, rows);
  const CachedAttention attention(spec, config.heads, rows, model_->turns(l));
  std::optional<CachedKnn> knn;
  if (!encodes && HasKnn(config)) {
    knn.emplace(config, KnnRows(l, rows), model_->turns(l));
  }
  return RunLayers(l, stack, Enter(l, rows, z),
                   [&](const torch::Tensor& qkv, const torch::Tensor& normed, int i,
                       AttentionLayerImpl& layer) {
                     torch::Tensor* const pool = &model_->pool().level(l);
                     if (!layer.memory().is_empty()) {
                       return knn->Attend(qkv, normed, layer, pool);
                     }
                     const int before = encodes ? i : ScopedRunsBefore(config, i);
                     return attention.Attend(qkv, before, layer.term(), pool);
                   });
}

std::vector<CachedRow> TensorStep::KnnRows(int l, std::vector<CachedRow> rows) const {
  for (size_t i = 0; i < rows.size(); ++i) {
    const TensorSequence::Place& place = batches_[l].rows[i].sequence->place(l);
    rows[i].cache = place.knn;
    rows[i].slots = place.knn_slots;
  }
  return rows;
}

torch::Tensor TensorStep::Enter(int l, const std::vector<CachedRow>& rows,
                                const torch::Tensor& z) const {
  if (level(l).position->entrance == EntranceRows::kNone) return z;
  std::vector<int64_t> positions;
  for (const CachedRow& row : rows) {
    for (int64_t j = 0; j < row.count; ++j) positions.push_back(row.begin + j);
  }
  return net(l).Enter(z, model_->Upload(positions));
}

torch::Tensor TensorStep::UnitPositions(int l) const {
  std::vector<int64_t> positions;
  for (const auto& row : batches_[l].rows) {
    const int64_t first = row.begin - row.open.items;
    for (int64_t j = 0; j < row.units * level(l).block; ++j) {
      positions.push_back(first + j);
    }
  }
  return model_->Upload(positions).view({-1, level(l).block});
}

torch::Tensor TensorStep::RunTree(int l, const torch::Tensor& z,
                                  const std::vector<CachedRow>& rows) {
  const CachedTree tree(TreeOf(level(l)), level(l).heads, rows,
                        model_->turns(l).q);
  return RunLayers(l, Stack::kDecoder, z,
                   [&](const torch::Tensor& qkv, const torch::Tensor&, int i,
                       AttentionLayerImpl& layer) {
                     return tree.Attend(qkv, i, layer, &model_->pool().level(l));
                   });
}

torch::Tensor TensorStep::RunSums(int l, Stack stack, const torch::Tensor& z,
                                  const std::vector<CachedRow>& rows) {
  const CachedSums sums(level(l), rows, model_->turns(l));
  return RunLayers(l, stack, Enter(l, rows, z),
                   [&](const torch::Tensor& qkv, const torch::Tensor&, int i,
                       AttentionLayerImpl&) {
                     return sums.Attend(qkv, i, &model_->pool().level(l));
                   });
}

torch::Tensor TensorStep::FromAbove(int l, const torch::Tensor& h) {
  const auto bridged = Bridged(l, h);
  if (level(l).bridge == BridgeKind::kPrefix) return WithPrefixes(l, h, bridged);
  const auto v = h + PickContexts(l, bridged);
  KeepContexts(l, bridged);
  return WithContexts(l, v, bridged);
}

torch::Tensor TensorStep::Bridged(int l, const torch::Tensor& h) {
  if (RouterItems(level(l)) > 0) Route(l, h);
  const Batch& batch = batches_[l];
  auto units = CollectUnits(l, h);
  torch::Tensor bridged;
  if (batch.units() > 0) {
    if (level(l).enc_scope == Scope::kBidirBlock) {
      units = net(l).Encode(units, {}, UnitPositions(l));
    }
    const auto contexts = Advance(l + 1, net(l).Pool(units));
    bridged = net(l).Bridge(contexts).view({-1, level(l).dim});
    if (RouterItems(level(l)) > 0) bridged = SmoothContexts(l, bridged);
  }
  return bridged;
}

torch::Tensor TensorStep::CollectUnits(int l, const torch::Tensor& h) {
  const Batch& batch = batches_[l];
  const bool buffered = BufferedItems(level(l)) > 0;
  RowChoice complete;
  std::vector<int64_t> left, buffers;  // items that stay, and where
  for (const auto& row : batch.rows) {
    const int64_t buffer = row.sequence->place(l).pool;
    // Item -1 of the row is the newest in the buffer.
    int64_t first = -row.open.items;
    for (int64_t ended = 0; ended < row.units; ++ended) {
      const int64_t last = batch.ends[row.unit + ended];
      for (int64_t j = buffered ? first : last; j <= last; ++j) {
        if (j < 0) {
          complete.FromPool(buffer + row.open.items + j);
        } else {
          complete.FromBatch(row.offset + j);
        }
      }
      first = last + 1;
    }
    for (int64_t j = std::max<int64_t>(first, 0); buffered && j < row.count;
         ++j) {
      left.push_back(row.offset + j);
      buffers.push_back(buffer + j - first);
    }
  }
  auto& pool = model_->pool().level(l);
  torch::Tensor units;
  if (batch.units() > 0) {
    units = complete.Take(*model_, pool, h)
                .view({-1, PoolItems(level(l)), level(l).dim});
  }
  if (!left.empty()) {
    pool.index_copy_(0, model_->Upload(buffers),
                     h.index_select(0, model_->Upload(left)));
  }
  return units;
}

torch::Tensor TensorStep::PickContexts(int l, const torch::Tensor& bridged) {
  const Batch& batch = batches_[l];
  const int64_t rows = BridgeRows(level(l));
  RowChoice context;
  for (const auto& row : batch.rows) {
    int64_t r = row.open.items;
    int64_t ended = 0;
    for (int64_t j = 0; j < row.count; ++j) {
      ++r;
      if (batch.EndsAt(row, j, ended)) {
        ++ended;
        r = 0;
      }
      if (ended == 0) {
        context.FromPool(row.sequence->place(l).context + r % rows);
      } else {
        context.FromBatch((row.unit + ended - 1) * rows + r % rows);
      }
    }
  }
  return context.Take(*model_, model_->pool().level(l), bridged);
}

void TensorStep::KeepContexts(int l, const torch::Tensor& bridged) {
  const int64_t rows = BridgeRows(level(l));
  std::vector<int64_t> newest, contexts;
  for (const auto& row : batches_[l].rows) {
    if (row.units == 0) continue;
    for (int64_t r = 0; r < ContextRows(level(l)); ++r) {
      newest.push_back((row.unit + row.units - 1) * rows + r);
      contexts.push_back(row.sequence->place(l).context + r);
    }
  }
  if (newest.empty()) return;
  model_->pool().level(l).index_copy_(
      0, model_->Upload(contexts),
      bridged.index_select(0, model_->Upload(newest)));
}

torch::Tensor TensorStep::Wanted(int l, const torch::Tensor& x) const {
  const Batch& batch = batches_[l];
  if (batch.wanted == DecoderRows(level(l), batch)) return x;
  const auto places = StackRows(level(l), Stack::kDecoder, batch);
  std::vector<int64_t> wanted;
  for (size_t i = 0; i < places.size(); ++i) {
    const auto& row = batch.rows[i];
    for (int64_t j = row.count - row.wanted; j < row.count; ++j) {
      wanted.push_back(places[i].Of(level(l), row, j));
    }
  }
  return x.index_select(0, model_->Upload(wanted));
}

}  // namespace strata
