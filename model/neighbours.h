#pragma once
// Nearest neighbours of what a model is about to say, and how they change it: the
// torch-free face of a version's datastore (kNN-LM, Khandelwal et al. 2020, 1911.00172).
// A datastore remembers, for many places of a text, what went into the output head there
// (StepRow::hidden) and the item that came next.
//
//   p      = weight * p_near + (1 - weight) * p_model
//   p_near = over the k entries nearest to the hidden state, by d = squared Euclidean
//            distance: softmax(-d / temperature), summed over those of one next item
//
// The result replaces the logits: they are then logarithms of p, plus the logarithm of
// the sum that the model's softmax divides by, so that whatever samples or scores by
// logits goes by p, and those of items that are not near stay where they were but for
// ln(1 - weight). Weight 0 leaves all as they are, bit for bit.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "model/items.h"
#include "model/model_config.h"

namespace strata {

struct NeighbourParams {
  double weight = 0;       // [0, 0.99]: what the model alone knows is never ruled out
  int k = 1;               // [1, max_k of the datastore]
  double temperature = 1;  // [1e-6, 1e9], in units of d
};

// INVALID_ARGUMENT "weight is 2; must be in [0, 0.99]".
absl::Status ValidateNeighbours(const NeighbourParams& params, int max_k);

struct Neighbour {
  float distance = 0;  // squared Euclidean
  int64_t entry = 0;   // in the order in which they were stored
  Item next = 0;
};

// A datastore in memory. Immutable, thread-safe.
class Neighbours {
 public:
  virtual ~Neighbours() = default;
  // What its job found best on held-out text.
  virtual const NeighbourParams& defaults() const = 0;
  virtual int max_k() const = 0;
  virtual int64_t entries() const = 0;
  virtual int64_t bytes() const = 0;  // in memory
  virtual absl::string_view kind() const = 0;  // "exact" or "graph"
  // The k nearest to `hidden` (fewer where there are fewer), nearest first, of equal
  // distance the one stored first. A function of the arguments alone.
  // RESOURCE_EXHAUSTED: no memory. REQUIRES: 1 <= k <= max_k.
  virtual absl::StatusOr<std::vector<Neighbour>> Find(
      absl::Span<const float> hidden, int k) const = 0;
};

// `nearest`, nearest first, into the logits of one place. Logits that are no numbers
// stay so.
void MixNeighbours(absl::Span<const Neighbour> nearest,
                   const NeighbourParams& params, absl::Span<float> logits);

// Logits of several places, [n * V], with their hidden states, [n * D].
absl::Status ConsultNeighbours(const Neighbours& neighbours,
                               const NeighbourParams& params,
                               absl::Span<const float> hidden, int64_t dim,
                               absl::Span<float> logits);

// The datastore of a version folder whose weights were opened (and its manifest
// verified) before; null where it has none. DATA_LOSS: it does not belong to the
// config; FAILED_PRECONDITION: it is larger than the caller allows.
using NeighboursLoader =
    std::function<absl::StatusOr<std::shared_ptr<const Neighbours>>(
        const std::string& version_dir, const ModelConfig& config)>;

}  // namespace strata
