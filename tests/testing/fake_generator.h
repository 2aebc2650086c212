#pragma once
// FakeModel: a LoadedModel whose logits are a hash of the items that a sequence
// holds, so that a row fed in the wrong order, twice, or mixed up with another
// gives other bytes. It counts what lives and can be held at a step, made to
// fail, or told what to say. Thread-safe; its generators are single-threaded.

#include <algorithm>
#include <atomic>
#include <cmath>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "model/base/log.h"
#include "model/base/mutex.h"
#include "model/base/random.h"
#include "model/generator.h"

namespace strata {

// Stops the threads that pass, until a test lets them go on.
class StepGate {
 public:
  // Passes one at a time from now on, each after an Allow.
  void Close() {
    MutexLock lock(&mu_);
    open_ = false;
  }
  void Open() {
    MutexLock lock(&mu_);
    open_ = true;
    changed_.SignalAll();
  }
  void Allow(int steps) {
    MutexLock lock(&mu_);
    allowed_ += steps;
    changed_.SignalAll();
  }
  // Returns once `count` threads stand at the gate.
  void WaitForHeld(int count = 1) {
    MutexLock lock(&mu_);
    while (held_ < count || allowed_ > 0) changed_.Wait(&mu_);
  }
  void Pass() {
    MutexLock lock(&mu_);
    ++held_;
    changed_.SignalAll();
    while (!open_ && allowed_ == 0) changed_.Wait(&mu_);
    if (!open_) --allowed_;
    --held_;
    changed_.SignalAll();
  }

 private:
  Mutex mu_;
  CondVar changed_;
  bool open_ STRATA_GUARDED_BY(mu_) = true;
  int allowed_ STRATA_GUARDED_BY(mu_) = 0;
  int held_ STRATA_GUARDED_BY(mu_) = 0;
};

class FakeSequence final : public Sequence {
 public:
  FakeSequence(int64_t capacity, int64_t bytes, std::atomic<int64_t>* live,
               int owner = 0)
      : owner(owner), capacity_(capacity), bytes_(bytes), live_(live) {}
  ~FakeSequence() override { *live_ -= bytes_; }

  int64_t size() const override { return static_cast<int64_t>(items.size()); }
  int64_t capacity() const override { return capacity_; }
  int64_t bytes() const override { return bytes_; }

  const int owner;  // worker of the generator that made it
  std::vector<Item> items;
  static constexpr uint64_t kNoItems = 1;
  uint64_t hash = kNoItems;
  int64_t drafts = 0;  // of the last step

 private:
  const int64_t capacity_;
  const int64_t bytes_;
  std::atomic<int64_t>* const live_;
};

struct FakeModelOptions {
  int64_t max_context = 4096;
  int64_t bytes_per_item = 8;
  int block = 0;  // of a level of bytes below; 0: there is none
  // As on devices of their own: a worker has no use for another's sequences.
  bool workers_apart = false;
  // The only item that may follow; null: the hash decides.
  std::function<Item(absl::Span<const Item>)> next;
  // Guesses at what follows items, as many as `drafts`; null: none are made.
  std::function<Item(absl::Span<const Item>)> guess;
  int drafts = 0;
  // Before anything advances; a failure fails the Step.
  std::function<absl::Status(absl::Span<const StepRow>)> on_step;
  // The logits after these items are NaN.
  std::function<bool(absl::Span<const Item>)> is_nan;
  std::function<absl::Status()> on_new_generator;
  std::function<absl::Status(int64_t capacity)> on_new_sequence;
};

class FakeModel final : public LoadedModel {
 public:
  explicit FakeModel(FakeModelOptions options = {})
      : options_(std::move(options)) {
    config_.architecture = "flat";
    config_.max_context = options_.max_context;
    config_.levels.push_back({.dim = 8, .heads = 1, .dec_layers = 1});
    if (options_.block == 0) return;
    config_.levels.insert(config_.levels.begin(), config_.levels[0]);
    config_.levels[0].block = options_.block;
  }
  ~FakeModel() override {
    STRATA_CHECK(live_bytes == 0);
    STRATA_CHECK(live_generators == 0);
  }

  const ModelConfig& config() const override { return config_; }
  int64_t weight_bytes() const override { return 1000; }
  int64_t StateBytes(int64_t capacity) const override {
    return capacity * options_.bytes_per_item;
  }
  std::string executor() const override { return "fake"; }
  int drafts() const override { return options_.drafts; }
  inline absl::StatusOr<std::unique_ptr<Generator>> NewGenerator(
      const GeneratorOptions& options) const override;

  const FakeModelOptions& options() const { return options_; }

  // What the logits after `items` say.
  void Logits(absl::Span<const Item> items, uint64_t hash,
              absl::Span<float> out) const {
    const float bad = std::numeric_limits<float>::quiet_NaN();
    if (options_.is_nan && options_.is_nan(items)) {
      std::fill(out.begin(), out.end(), bad);
    } else if (options_.next) {
      std::fill(out.begin(), out.end(), -50.0f);
      out[options_.next(items)] = 50.0f;
    } else {
      for (size_t v = 0; v < out.size(); ++v) {
        out[v] = static_cast<float>(4 * RandomUniform(hash, 7, v));
      }
      // Ends are rare, or no text would be long.
      out[kEos] = -2;
    }
  }

  mutable StepGate gate;
  mutable std::atomic<int64_t> steps{0};
  mutable std::atomic<int64_t> live_bytes{0};
  mutable std::atomic<int64_t> max_live_bytes{0};
  mutable std::atomic<int64_t> live_generators{0};
  mutable std::atomic<int64_t> generators_made{0};
  mutable std::atomic<int64_t> max_rows{0};
  mutable std::atomic<int64_t> parallel_loops{0};

 private:
  const FakeModelOptions options_;
  ModelConfig config_;
};

inline void RaiseTo(std::atomic<int64_t>* peak, int64_t value) {
  int64_t seen = *peak;
  while (seen < value && !peak->compare_exchange_weak(seen, value)) {
  }
}

class FakeGenerator final : public Generator {
 public:
  FakeGenerator(const FakeModel* model, int worker)
      : model_(model), worker_(worker) {
    ++model_->live_generators;
    ++model_->generators_made;
  }
  ~FakeGenerator() override { --model_->live_generators; }

  absl::StatusOr<std::unique_ptr<Sequence>> NewSequence(
      int64_t capacity) override {
    if (capacity < 1 || capacity > model_->config().max_context) {
      return absl::InvalidArgumentError("capacity");
    }
    if (model_->options().on_new_sequence) {
      const absl::Status status = model_->options().on_new_sequence(capacity);
      if (!status.ok()) return status;
    }
    const int64_t bytes = model_->StateBytes(capacity);
    RaiseTo(&model_->max_live_bytes, model_->live_bytes += bytes);
    return std::make_unique<FakeSequence>(capacity, bytes,
                                          &model_->live_bytes, worker_);
  }
  absl::StatusOr<std::unique_ptr<Sequence>> Fork(const Sequence& sequence,
                                                 int64_t capacity) override {
    if (capacity < sequence.size()) {
      return absl::InvalidArgumentError("capacity");
    }
    const auto& from = static_cast<const FakeSequence&>(sequence);
    if (model_->options().workers_apart && from.owner != worker_) {
      return absl::InvalidArgumentError("another worker's sequence");
    }
    auto copy = NewSequence(capacity);
    if (!copy.ok()) return copy;
    auto* const to = static_cast<FakeSequence*>(copy->get());
    to->items = from.items;
    to->hash = from.hash;
    return copy;
  }
  absl::Status Restore(const Sequence&, Sequence*) override {
    return absl::UnimplementedError("not needed");
  }

  absl::Status Step(absl::Span<const StepRow> rows) override {
    model_->gate.Pass();
    ++model_->steps;
    RaiseTo(&model_->max_rows, static_cast<int64_t>(rows.size()));
    if (model_->options().on_step) {
      const absl::Status status = model_->options().on_step(rows);
      if (!status.ok()) return status;
    }
    for (const StepRow& row : rows) Feed(row);
    return absl::OkStatus();
  }

  absl::Status Draft(absl::Span<DraftRow> rows) override {
    for (DraftRow& row : rows) {
      const auto* sequence = static_cast<const FakeSequence*>(row.sequence);
      std::vector<Item> items = sequence->items;
      items.push_back(row.next);
      for (Item& guess : row.guesses) {
        if (static_cast<int64_t>(items.size()) == sequence->capacity()) break;
        guess = model_->options().guess(items);
        items.push_back(guess);
        ++row.count;
      }
    }
    return absl::OkStatus();
  }
  // On a second thread, too: bodies that are not as apart as they must be are found.
  void ParallelFor(int64_t n, absl::FunctionRef<void(int64_t)> body) override {
    ++model_->parallel_loops;
    std::thread odd([&] {
      for (int64_t i = 1; i < n; i += 2) body(i);
    });
    for (int64_t i = 0; i < n; i += 2) body(i);
    odd.join();
  }
  absl::Status Rewind(Sequence* sequence, int64_t items) override {
    auto* own = static_cast<FakeSequence*>(sequence);
    STRATA_CHECK(items <= own->drafts);
    own->drafts -= items;
    own->items.resize(own->items.size() - items);
    own->hash = FakeSequence::kNoItems;
    for (const Item item : own->items) own->hash = RandomBits(own->hash, 3, item);
    return absl::OkStatus();
  }

 private:
  void Feed(const StepRow& row) {
    auto* sequence = static_cast<FakeSequence*>(row.sequence);
    const size_t vocab = kVocab;
    const bool each = row.logits.size() == row.items.size() * vocab;
    STRATA_CHECK(!row.items.empty());
    STRATA_CHECK(row.drafts == 0 || each);
    sequence->drafts = row.drafts;
    STRATA_CHECK(each || row.logits.empty() || row.logits.size() == vocab);
    for (size_t i = 0; i < row.items.size(); ++i) {
      sequence->items.push_back(row.items[i]);
      STRATA_CHECK(sequence->size() <= sequence->capacity());
      sequence->hash = RandomBits(sequence->hash, 3, row.items[i]);
      if (each) {
        model_->Logits(sequence->items, sequence->hash,
                       row.logits.subspan(i * vocab, vocab));
      }
      const size_t dim = model_->config().levels[0].dim;
      const bool hidden_each = row.hidden.size() == row.items.size() * dim;
      if (!row.hidden.empty() && (hidden_each || i + 1 == row.items.size())) {
        const auto to = row.hidden.subspan(hidden_each ? i * dim : 0, dim);
        for (size_t d = 0; d < dim; ++d) {
          to[d] = static_cast<float>(RandomUniform(sequence->hash, 9, d));
        }
      }
    }
    if (!each && !row.logits.empty()) {
      model_->Logits(sequence->items, sequence->hash, row.logits);
    }
  }

  const FakeModel* const model_;
  const int worker_;
};

absl::StatusOr<std::unique_ptr<Generator>> FakeModel::NewGenerator(
    const GeneratorOptions& generator_options) const {
  if (options_.on_new_generator) {
    const absl::Status status = options_.on_new_generator();
    if (!status.ok()) return status;
  }
  return std::make_unique<FakeGenerator>(this, generator_options.worker);
}

}  // namespace strata
