#pragma once
// PastKeys: the cached keys that the new items of a group of rows may see, found in
// the pool of states: which pool rows, and which positions they have. Runs of slots
// are listed on the host and spread on the device. Thread-compatible.

#include <torch/torch.h>

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "model/scope_rule.h"

namespace strata {

class PastKeys {
 public:
  // [rows * longest] each; the rest of a shorter row: position -1, pool row 0.
  struct Tensors {
    torch::Tensor key_row;   // pool rows of layer 0's keys
    torch::Tensor slots;     // from keys to values, and so on
    torch::Tensor position;  // [rows, longest]
  };

  // The items before `begin` that those of [begin, begin + count) see, in a cache of
  // `slots` slots whose first pool row is `cache`.
  void AddRow(const ScopeSpec& spec, int64_t begin, int64_t count, int64_t cache,
              int64_t slots);
  // Those of these runs.
  void AddRuns(const ScopeSpec& spec, absl::Span<const KeyRun> keys, int64_t cache,
               int64_t slots);

  int64_t longest() const { return longest_; }
  Tensors Make(const torch::Device& device) const;

 private:
  struct Run {
    int64_t column = 0;  // of its first key, in its row
    int64_t row = 0;
    int64_t item = 0;
    int64_t step = 0;
    int64_t pool_row = 0;
    int64_t slots = 0;
    int64_t count = 0;
    int64_t before = 0;  // keys of all runs before this one
  };
  std::vector<Run> runs_;
  int64_t rows_ = 0;
  int64_t longest_ = 0;
  int64_t total_ = 0;
};

}  // namespace strata
