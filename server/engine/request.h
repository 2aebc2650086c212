#pragma once
// What one admitted request is, and what it reports. Torch- and gRPC-free.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "model/base/clock.h"
#include "model/items.h"
#include "model/neighbours.h"
#include "model/sampling.h"
#include "server/registry/registry.h"

namespace strata {

enum class FinishReason {
  kEos,
  kStop,
  kMaxTokens,
  kContextLimit,
  kDeadline,  // the request's own time limit
};

struct FinishInfo {
  int sample = 0;
  FinishReason reason = FinishReason::kMaxTokens;
  std::string matched_stop;
  int64_t prompt_items = 0;
  int64_t cached_items = 0;  // of the prompt, found in the prefix cache
  int64_t generated_items = 0;
  double queue_seconds = 0;
  double prefill_seconds = 0;
  double first_item_seconds = 0;  // from arrival
  double total_seconds = 0;
};

// A piece of output: bytes that no stop string can still take back.
struct OutputDelta {
  int sample = 0;
  std::string data;
  std::string text;  // whole UTF-8 characters of it; may lag behind `data`
  int items = 0;
};

// Where a request's output goes. Calls come from one worker thread (or, for a
// request that never left the queue, from whoever ended it), one at a time, in
// this order: OnProgress*, OnDelta*, [OnFinished | OnScores], OnDone. A request of
// several samples gets OnDelta* and OnFinished for each of them, in any order
// among each other; of those that ended before a fault, too. OnDone
// comes exactly once for every accepted request: OK after OnFinished/OnScores,
// else CANCELLED, DEADLINE_EXCEEDED, UNAVAILABLE (drain timed out), INTERNAL…
// No call may block. The engine drops its reference after OnDone.
class RequestSink {
 public:
  virtual ~RequestSink() = default;
  virtual void OnProgress(int64_t processed, int64_t total) = 0;
  virtual void OnDelta(const OutputDelta& delta) = 0;
  virtual void OnScores(absl::Span<const double> log2_probs) = 0;
  virtual void OnFinished(const FinishInfo& info) = 0;
  virtual void OnDone(const absl::Status& status) = 0;
};

struct EngineRequest {
  enum class Kind { kGenerate, kScore };

  std::string id;  // unique among live requests
  Kind kind = Kind::kGenerate;
  std::shared_ptr<const ServedVersion> version;  // pinned
  std::vector<Item> items;  // the rendered prompt; for kScore SOS and the text
  SamplingParams sampling;
  // Weight 0: none are asked. REQUIRES: else, the version has a datastore, and they are
  // valid for it.
  NeighbourParams neighbours = {};
  int64_t max_items = 256;             // to generate; 0 for kScore
  // Continuations of the prompt, which is read once. Sample k is what the request
  // would give alone with sampling.seed + k.
  int samples = 1;
  std::vector<std::string> stop;       // at most 16
  // Begin with a snapshot of a prefix, and leave some for others. Never for
  // kScore, which needs the logits of every item.
  bool prefix_cache = true;
  MonotonicTime arrival{};
  std::optional<MonotonicTime> deadline;    // the RPC's: DEADLINE_EXCEEDED
  std::optional<MonotonicTime> time_limit;  // the request's: kDeadline
  std::shared_ptr<RequestSink> sink;
};

}  // namespace strata
