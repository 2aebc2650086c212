#include "model/decode/tensor/device_model.h"

#include <algorithm>
#include <utility>

#include "model/decode/tensor/replay_step.h"
#include "model/decode/tensor/tensor_step.h"
#include "model/decoder_places.h"
#include "model/knn_rule.h"
#include "model/nn/torch_guard.h"
#include "model/nn/tree_plan.h"
#include "model/nn/upload.h"
#include "model/position_shape.h"
#include "model/stream_levels.h"

namespace strata {
namespace {

HierarchicalTransformer OnDevice(HierarchicalTransformer net,
                                 const torch::Device& device,
                                 torch::ScalarType type) {
  for (auto& parameter : net->parameters()) parameter.set_requires_grad(false);
  net->to(device, type);
  net->eval();
  return net;
}

// What is there before item 0: the places up to u[0] in every decoder layer, and the
// contexts, context 0 among those that a bridge attends to. Of the base of streams what
// entered it; `said`: of a stream, what each layer made.
std::vector<int64_t> OriginRows(const LevelConfig& level, int64_t said,
                                const TensorSequence::Place& place) {
  std::vector<int64_t> rows;
  const int64_t sums = DecoderRuns(level) * SumRows(level, level.dec_scope);
  for (int64_t row = 0; row < sums; ++row) rows.push_back(place.decoder + row);
  for (int part = 0; sums == 0 && part < 2 * ScopedRuns(level); ++part) {
    for (int64_t at = 0; at < DecoderPlaces(level, 1); ++at) {
      rows.push_back(place.decoder + part * place.dec_slots + at);
    }
  }
  if (HasKnn(level)) {
    rows.push_back(place.knn);
    rows.push_back(place.knn + place.knn_slots);
  }
  for (int64_t r = 0; r < ContextRows(level) + said; ++r) {
    rows.push_back(place.context + r);
  }
  if (StreamTail(level) > 0) rows.push_back(place.pool);
  if (BridgeSlots(level) > 0) {
    rows.push_back(place.bridge);
    rows.push_back(place.bridge + BridgeSlots(level));
  }
  return rows;
}

// A stack's caches are [layers][K, V][slots], or [layers][sums]. No item's slot depends
// on the capacity (model/scope_rule.h), nor a tree node's.
void CopyCaches(int layers, int64_t sums, int64_t from, int64_t from_slots, int64_t to,
                int64_t to_slots, torch::Tensor* rows) {
  const int64_t dim = rows->size(1);
  if (layers == 0) return;
  if (sums > 0) {
    rows->narrow(0, to, layers * sums).copy_(rows->narrow(0, from, layers * sums));
    return;
  }
  const auto caches = [&](int64_t first, int64_t slots) {
    return rows->narrow(0, first, 2 * layers * slots)
        .view({2 * layers, slots, dim})
        .narrow(1, 0, std::min(from_slots, to_slots));
  };
  caches(to, to_slots).copy_(caches(from, from_slots));
}

void CopyLevel(const LevelConfig& level, const TensorSequence::Place& from,
               const TensorSequence::Place& to, torch::Tensor* rows) {
  CopyCaches(EncoderRuns(level), SumRows(level, level.enc_scope), from.encoder,
             from.enc_slots, to.encoder, to.enc_slots, rows);
  CopyCaches(ScopedRuns(level), SumRows(level, level.dec_scope), from.decoder,
             from.dec_slots, to.decoder, to.dec_slots, rows);
  CopyCaches(HasKnn(level) ? 1 : 0, 0, from.knn, from.knn_slots, to.knn, to.knn_slots,
             rows);
  rows->narrow(0, to.pool, to.kept).copy_(rows->narrow(0, from.pool, to.kept));
}

}  // namespace

DeviceModel::DeviceModel(HierarchicalTransformer net,
                         const torch::Device& device, torch::ScalarType type,
                         std::unique_ptr<DeviceStream> stream)
    : config_(net->config()),
      levels_(StackLevels(config_)),
      device_(device),
      options_(torch::TensorOptions().device(device).dtype(type)),
      stream_(std::move(stream)),
      net_(OnDevice(std::move(net), device, type)),
      pool_(config_, options_) {
  const auto angles = options_.dtype(type == torch::kBFloat16 ? torch::kFloat : type);
  for (int l = 0; l < static_cast<int>(config_.levels.size()); ++l) {
    const LevelConfig& level = config_.levels[l];
    TurnCache cache(config_, l);
    int64_t rows = ItemsHeld(config_, l);
    if (level.dec_scope == Scope::kTree) {
      rows = std::max(rows, TreeRopeRows(TreeOf(level)));
    }
    turns_.push_back(cache.Get(rows, angles));
  }
  for (const StreamConfig& stream : config_.levels[0].streams) {
    TurnCache cache(StreamModel(config_, stream), 0);
    turns_.push_back(
        cache.Get(StreamItems(stream, config_.max_context + 1), angles));
  }
}

absl::StatusOr<std::unique_ptr<DeviceModel>> DeviceModel::Create(
    HierarchicalTransformer net, const torch::Device& device,
    torch::ScalarType type) {
  return TorchGuard([&] {
    auto stream = std::make_unique<DeviceStream>(device);
    const c10::OptionalStreamGuard guard = stream->Guard();
    std::unique_ptr<DeviceModel> model(
        new DeviceModel(std::move(net), device, type, std::move(stream)));
    model->MakeOrigin();
    return model;
  });
}

DeviceModel::~DeviceModel() = default;

int64_t DeviceModel::SaidRows(int l) const {
  return l < static_cast<int>(config_.levels.size()) ? 0 : level(l).dec_layers;
}

void DeviceModel::MakeOrigin() {
  torch::NoGradGuard no_grad;
  std::unique_ptr<TensorSequence> primed;  // its end takes the lock too
  MutexLock lock(&mutex_);
  primed = std::make_unique<TensorSequence>(this, 1);
  TensorStep(this).Prime(primed.get());
  for (int l = 0; l < stacks(); ++l) {
    const auto rows = Upload(OriginRows(level(l), SaidRows(l), primed->place(l)));
    origin_.push_back(pool_.level(l).index_select(0, rows));
  }
}

int64_t DeviceModel::value_bytes() const {
  return static_cast<int64_t>(options_.dtype().itemsize());
}

int64_t DeviceModel::weight_bytes() const {
  int64_t bytes = 0;
  for (const auto& parameter : net_->parameters()) {
    bytes += static_cast<int64_t>(parameter.nbytes());
  }
  return bytes;
}

torch::Tensor DeviceModel::Upload(const std::vector<int64_t>& values) const {
  return strata::Upload(values, device_);
}

absl::StatusOr<std::unique_ptr<TensorSequence>> DeviceModel::NewSequence(
    int64_t capacity) {
  std::unique_ptr<TensorSequence> sequence;  // its end takes the lock too
  const absl::Status status = TorchGuard([&] {
    torch::NoGradGuard no_grad;
    MutexLock lock(&mutex_);
    const c10::OptionalStreamGuard guard = stream_->Guard();
    sequence = std::make_unique<TensorSequence>(this, capacity);
    // The pool may be another one by now: nobody needs the old one any more.
    if (replay_ != nullptr) replay_->LookAtPools();
    for (int l = 0; l < stacks(); ++l) {
      const auto rows =
          Upload(OriginRows(level(l), SaidRows(l), sequence->place(l)));
      pool_.level(l).index_copy_(0, rows, origin_[l]);
    }
  });
  if (!status.ok()) return status;
  return sequence;
}

absl::Status DeviceModel::Copy(const TensorSequence& from,
                               TensorSequence* to) {
  return TorchGuard([&] {
    torch::NoGradGuard no_grad;
    MutexLock lock(&mutex_);
    const c10::OptionalStreamGuard guard = stream_->Guard();
    to->set_damaged(true);  // until all of it is there
    for (int l = 0; l < stacks(); ++l) {
      CopyLevel(level(l), from.place(l), to->place(l), &pool_.level(l));
    }
    *to->mutable_progress() = from.progress();
    to->set_damaged(from.damaged());
  });
}

}  // namespace strata
