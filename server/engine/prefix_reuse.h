#pragma once
// What a worker does with the prefix cache: begins a request from the snapshot
// of its longest kept prefix, and keeps snapshots for those that come after.
//
// A state cannot be cut back to fewer items (rings overwrite, blocks are
// pooled), so what is kept must end where a later prompt will part. A snapshot
// is taken
//   - where a request ends: the next turn of a chat begins with its prompt and
//     its answer, item by item (model/chat_template.h; the EOS that ended the
//     answer was never fed, it comes with the next prompt);
//   - where its prompt ends: an answer may come back otherwise than it was made
//     (a stop string cut off, bytes that are no UTF-8 replaced, space trimmed),
//     and then the prompt is the part of the history that is still the same;
//   - where a prompt parts from what another request left: who shares so much
//     of it shares a system prompt, a document or a whole prompt that is sent
//     again. The first request does not know of it, the second takes the
//     snapshot, all that follow begin there.
// Each only if it spares those that use it kLeastReuse items more than what is
// kept already: fewer are read in one short step. So a history costs at most so
// many again. When a request fails, is cancelled or cut, nothing more is kept.
//
// Snapshots have room for little more than their own items: a request that
// begins with one forks it into a sequence of its own capacity. Single owner
// thread (the worker).

#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"
#include "model/generator.h"
#include "server/engine/engine_core.h"
#include "server/engine/live_request.h"

namespace strata {

inline constexpr int64_t kLeastReuse = 64;  // items

// Beside its state, what a snapshot is counted for: its items, and nodes of the
// cache's tree.
inline constexpr int64_t kSnapshotOverhead = 512;  // bytes

// A sequence that ends with so much room to spare becomes a snapshot itself, of
// its state's bytes one in so many; with more it is copied.
inline constexpr int64_t kSpareParts = 4;

class PrefixReuse {
 public:
  // `core`, `live` and `generator` outlive this.
  PrefixReuse(EngineCore* core, LiveRequest* live, Generator* generator);

  // The sequence that the request begins with; its size says how many items of
  // the prompt it holds already.
  absl::StatusOr<std::unique_ptr<Sequence>> Begin();

  // Instead of Begin, of a row whose sequence is a copy of another's that has read
  // the same prompt.
  void Follow(const PrefixReuse& other);

  // How many of the next `items` prompt items, of which `fed` were fed, may be
  // fed before Keep has to be asked.
  int64_t UntilKeep(int64_t fed, int64_t items) const;

  // After a step: keeps a snapshot if the prompt ends or parts here.
  void Keep(const Sequence& sequence);
  // The request came to a good end.
  void KeepLast(std::unique_ptr<Sequence> sequence);

  int64_t cached_items() const { return cached_; }

 private:
  // Whether it would be of use, and is not there.
  bool Wanted(const Sequence& sequence);
  void StoreCopy(const Sequence& sequence);
  void Store(std::unique_ptr<const Sequence> sequence, SnapshotLease lease);
  bool Reserve(int64_t state_bytes, int64_t items, bool hand_over,
               SnapshotLease* lease);

  EngineCore* const core_;
  LiveRequest* const live_;
  Generator* const generator_;
  const bool on_;
  // Items that the request began with; of the longest prefix that is kept, as
  // far as known; after which the prompt parts from others (0: none).
  int64_t cached_ = 0;
  int64_t kept_ = 0;
  int64_t parting_ = 0;
};

}  // namespace strata
