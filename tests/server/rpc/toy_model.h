#pragma once
// ToyModel: a LoadedModel for tests of what stands above models. Greedy decoding
// of it continues the alphabet: after n items comes 'a' + n % 26. A switchboard
// makes it wait, fail or run out of memory.

#include <atomic>
#include <chrono>
#include <memory>
#include <thread>
#include <vector>

#include "model/base/mutex.h"
#include "model/generator.h"

namespace strata {

struct ToySwitches {
  std::atomic<bool> fail_step{false};
  std::atomic<bool> out_of_memory{false};
  std::atomic<int> step_millis{0};

  // Closed: steps wait.
  void Close() {
    MutexLock lock(&mu);
    closed = true;
  }
  void Open() {
    MutexLock lock(&mu);
    closed = false;
    opened.SignalAll();
  }
  void Pass() {
    if (step_millis > 0) {
      std::this_thread::sleep_for(std::chrono::milliseconds(step_millis));
    }
    MutexLock lock(&mu);
    while (closed) opened.Wait(&mu);
  }

  Mutex mu;
  CondVar opened;
  bool closed STRATA_GUARDED_BY(mu) = false;
};

class ToySequence final : public Sequence {
 public:
  explicit ToySequence(int64_t capacity) : capacity_(capacity) {}
  int64_t size() const override { return size_; }
  int64_t capacity() const override { return capacity_; }
  int64_t bytes() const override { return capacity_ * 16; }
  int64_t size_ = 0;

 private:
  const int64_t capacity_;
};

class ToyGenerator final : public Generator {
 public:
  explicit ToyGenerator(ToySwitches* switches) : switches_(switches) {}

  absl::StatusOr<std::unique_ptr<Sequence>> NewSequence(int64_t capacity) override {
    if (switches_->out_of_memory) return absl::ResourceExhaustedError("out of memory");
    return std::make_unique<ToySequence>(capacity);
  }
  absl::StatusOr<std::unique_ptr<Sequence>> Fork(const Sequence& sequence,
                                                 int64_t capacity) override {
    auto copy = std::make_unique<ToySequence>(capacity);
    copy->size_ = sequence.size();
    return copy;
  }
  absl::Status Restore(const Sequence& snapshot, Sequence* sequence) override {
    static_cast<ToySequence*>(sequence)->size_ = snapshot.size();
    return absl::OkStatus();
  }
  absl::Status Step(absl::Span<const StepRow> rows) override {
    switches_->Pass();
    if (switches_->fail_step) return absl::InternalError("the toy is broken");
    for (const StepRow& row : rows) {
      auto* sequence = static_cast<ToySequence*>(row.sequence);
      const size_t outputs = row.logits.size() / kVocab;
      for (size_t i = 0; i < row.items.size(); ++i) {
        ++sequence->size_;
        const size_t from_end = row.items.size() - 1 - i;
        if (from_end < outputs) {
          Fill(sequence->size_, row.logits.subspan((outputs - 1 - from_end) * kVocab, kVocab));
        }
      }
    }
    return absl::OkStatus();
  }

 private:
  static void Fill(int64_t position, absl::Span<float> logits) {
    for (float& logit : logits) logit = 0;
    logits['a' + position % 26] = 20;
  }
  ToySwitches* const switches_;
};

class ToyModel final : public LoadedModel {
 public:
  explicit ToyModel(ToySwitches* switches, int64_t max_context = 4096)
      : switches_(switches) {
    config_.architecture = "flat";
    LevelConfig level;
    level.dim = 32;
    level.heads = 2;
    level.dec_layers = 1;
    config_.levels = {level};
    config_.max_context = max_context;
  }
  const ModelConfig& config() const override { return config_; }
  int64_t weight_bytes() const override { return 1000; }
  int64_t StateBytes(int64_t capacity) const override { return capacity * 16; }
  std::string executor() const override { return "toy"; }
  absl::StatusOr<std::unique_ptr<Generator>> NewGenerator(
      const GeneratorOptions&) const override {
    return std::make_unique<ToyGenerator>(switches_);
  }

 private:
  ModelConfig config_;
  ToySwitches* const switches_;
};

}  // namespace strata
