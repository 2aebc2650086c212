#pragma once
// The nearest of many keys, by a packaged library (hnswlib, which stays behind this
// header). Keys are stored in bfloat16, and a query is rounded alike: what is asked for
// that was stored is at distance 0. Every distance is one sum of fixed order, so an
// answer depends on neither processor, batch nor thread.
//
//   exact  every key is looked at
//   graph  hierarchical navigable small world (Malkov, Yashunin 2016, 1603.09320): looks
//          at a small part of them, so it may miss some that are near. What is built
//          from equal keys in equal order is equal, also by way of Save and Open.
//
// Find is thread-safe beside itself; all else is for one thread alone.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "model/neighbours.h"

namespace strata {

class NeighbourIndex {
 public:
  enum class Kind { kExact, kGraph };

  // For `capacity` keys, at least one, of `dim` numbers. RESOURCE_EXHAUSTED: no memory.
  static absl::StatusOr<std::unique_ptr<NeighbourIndex>> Create(
      Kind kind, int64_t dim, int64_t capacity);
  // What Save wrote, with the room that it had. DATA_LOSS: the file is not one of this
  // kind and size; its content is not looked through, a manifest vouches for it.
  // `grows`: more keys will come; without, their room and what guards it are spared.
  static absl::StatusOr<std::unique_ptr<NeighbourIndex>> Open(
      Kind kind, int64_t dim, const std::string& path, bool grows);
  virtual ~NeighbourIndex() = default;

  // Entry size() gets the key. RESOURCE_EXHAUSTED: no memory. REQUIRES: room, finite
  // numbers, next in [0, 2^16).
  virtual absl::Status Add(absl::Span<const float> key, Item next) = 0;
  // As Neighbours::Find, of any k >= 1.
  virtual absl::StatusOr<std::vector<Neighbour>> Find(
      absl::Span<const float> query, int k) const = 0;
  // Durable on return. RESOURCE_EXHAUSTED: a full disk.
  virtual absl::Status Save(const std::string& path) const = 0;

  virtual int64_t size() const = 0;
  virtual Item largest_item() const = 0;  // of those added with keys
  virtual int64_t capacity() const = 0;
  virtual int64_t bytes() const = 0;  // of memory
};

}  // namespace strata
