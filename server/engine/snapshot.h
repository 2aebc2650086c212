#pragma once
// Snapshot: the decoding state after some items, kept so that a later request
// that begins with the same items need not feed them again. Immutable and
// shared: workers fork it, nobody steps it. Destroyed with no lock held, by
// whoever lets go of it last: its memory is freed, then its part of the budget
// given back.

#include <cstdint>
#include <memory>
#include <utility>

#include "model/generator.h"

namespace strata {

class AdmissionQueue;

// A part of the state budget that a snapshot takes; gives it back when
// destroyed. Movable; empty by default. The queue outlives it.
class SnapshotLease {
 public:
  SnapshotLease() = default;
  SnapshotLease(AdmissionQueue* queue, int place, int64_t bytes)
      : queue_(queue), place_(place), bytes_(bytes) {}
  SnapshotLease(SnapshotLease&& other) noexcept { *this = std::move(other); }
  SnapshotLease& operator=(SnapshotLease&& other) noexcept {
    std::swap(queue_, other.queue_);
    std::swap(place_, other.place_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~SnapshotLease();

  int place() const { return place_; }
  int64_t bytes() const { return bytes_; }

 private:
  AdmissionQueue* queue_ = nullptr;
  int place_ = 0;  // see AdmissionQueue::PlaceOf
  int64_t bytes_ = 0;
};

struct Snapshot {
  // Members go in reverse: the sequence needs the weights to outlive it.
  std::shared_ptr<const LoadedModel> weights;
  SnapshotLease lease;
  std::unique_ptr<const Sequence> sequence;
};

using SnapshotPtr = std::shared_ptr<const Snapshot>;

}  // namespace strata
