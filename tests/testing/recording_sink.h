#pragma once
// RecordingSink: remembers what a request reported, and complains about any
// order of calls that server/engine/request.h forbids. Thread-safe.

#include <algorithm>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "model/base/mutex.h"
#include "server/engine/error_reason.h"
#include "server/engine/request.h"

namespace strata {

class RecordingSink final : public RequestSink {
 public:
  struct Record {
    std::string data;
    std::string text;
    std::vector<OutputDelta> deltas;
    std::vector<std::pair<int64_t, int64_t>> progress;
    std::vector<double> scores;
    bool scored = false;
    std::optional<FinishInfo> finish;  // the last one
    std::vector<std::string> sample_data;
    std::vector<std::optional<FinishInfo>> finishes;  // of each sample
    int dones = 0;
    absl::Status status;
    std::string violation;  // empty: every call was in order
  };

  explicit RecordingSink(int samples = 1) {
    MutexLock lock(&mu_);
    record_.sample_data.resize(samples);
    record_.finishes.resize(samples);
  }

  // Called in OnDelta and OnDone, without this sink's lock.
  std::function<void()> on_delta;
  std::function<void()> on_done;

  void OnProgress(int64_t processed, int64_t total) override {
    MutexLock lock(&mu_);
    if (!record_.deltas.empty()) Complain("progress after a delta");
    Open("OnProgress");
    record_.progress.emplace_back(processed, total);
    changed_.SignalAll();
  }
  void OnDelta(const OutputDelta& delta) override {
    {
      MutexLock lock(&mu_);
      Open("OnDelta", delta.sample);
      if (delta.data.empty() && delta.text.empty()) Complain("empty delta");
      record_.data += delta.data;
      record_.sample_data[delta.sample] += delta.data;
      record_.text += delta.text;
      record_.deltas.push_back(delta);
      changed_.SignalAll();
    }
    if (on_delta) on_delta();
  }
  void OnScores(absl::Span<const double> log2_probs) override {
    MutexLock lock(&mu_);
    Open("OnScores");
    record_.scores.assign(log2_probs.begin(), log2_probs.end());
    record_.scored = true;
  }
  void OnFinished(const FinishInfo& info) override {
    MutexLock lock(&mu_);
    Open("OnFinished", info.sample);
    record_.finish = info;
    record_.finishes[info.sample] = info;
    changed_.SignalAll();
  }
  void OnDone(const absl::Status& status) override {
    {
      MutexLock lock(&mu_);
      if (status.ok() != (record_.scored || AllFinished())) Complain("status and result disagree");
      if (record_.dones > 0) Complain("OnDone twice");
      ++record_.dones;
      record_.status = Unshared(status);
    }
    if (on_done) on_done();
    MutexLock lock(&mu_);
    returned_ = true;
    changed_.SignalAll();
  }

  // Waits for OnDone.
  Record Wait() {
    MutexLock lock(&mu_);
    while (!returned_) changed_.Wait(&mu_);
    return Copy();
  }
  void WaitForFinish(int sample) {
    MutexLock lock(&mu_);
    while (!record_.finishes[sample].has_value() && record_.dones == 0) {
      changed_.Wait(&mu_);
    }
  }
  void WaitForBytes(size_t bytes) {
    MutexLock lock(&mu_);
    while (record_.data.size() < bytes && record_.dones == 0) {
      changed_.Wait(&mu_);
    }
  }
  void WaitForProgress(int64_t items) {
    MutexLock lock(&mu_);
    while ((record_.progress.empty() || record_.progress.back().first < items) &&
           record_.dones == 0) {
      changed_.Wait(&mu_);
    }
  }
  Record Peek() const {
    MutexLock lock(&mu_);
    return Copy();
  }

 private:
  // Copies of a status share one counted body, and packaged Abseil counts
  // without telling ThreadSanitizer: so none is shared between threads.
  static absl::Status Unshared(const absl::Status& status) {
    absl::Status copy(status.code(), status.message());
    const std::string reason = ReasonOf(status);
    return reason.empty() ? copy : WithReason(std::move(copy), reason);
  }
  Record Copy() const STRATA_REQUIRES(mu_) {
    Record copy = record_;
    copy.status = Unshared(record_.status);
    return copy;
  }
  bool AllFinished() const STRATA_REQUIRES(mu_) {
    return std::all_of(record_.finishes.begin(), record_.finishes.end(),
                       [](const auto& finish) { return finish.has_value(); });
  }
  void Open(const char* call, int sample = 0) STRATA_REQUIRES(mu_) {
    if (record_.dones > 0 || record_.scored ||
        record_.finishes[sample].has_value()) {
      Complain(std::string(call) + " after the end");
    }
  }
  void Complain(std::string what) STRATA_REQUIRES(mu_) {
    if (record_.violation.empty()) record_.violation = std::move(what);
  }

  mutable Mutex mu_;
  CondVar changed_;
  Record record_ STRATA_GUARDED_BY(mu_);
  bool returned_ STRATA_GUARDED_BY(mu_) = false;
};

}  // namespace strata
