#pragma once
// SegmentMemory: what the rows of a batch carry from one segment of their texts to the
// next (model/segment_rule.h has the formula): of every level the items at the entrance
// of each run of a layer, the item that the next context stands on, and the contexts
// that a bridge attends to. No gradient goes through it. Sizes depend on the config
// and the rows alone; what a text has not filled yet is hidden by `past`. A value that
// shares its tensors when copied; thread-compatible.

#include <torch/torch.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "model/model_config.h"

namespace strata {

// Of one level. After a forward pass these are other tensors than before.
struct LevelMemory {
  std::vector<torch::Tensor> enc, dec;  // [B, M, D] of each run
  torch::Tensor last;                   // [B, D] skip of the newest item
  torch::Tensor contexts;               // [B, CarriedContexts, U]
  // [B] of int64: items of this level that the text of the row's first item has before
  // the segment. Set for the pass by SegmentMemory::Begin.
  torch::Tensor past;
};

class SegmentMemory {
 public:
  SegmentMemory() = default;
  // Of texts that have yet to begin. REQUIRES: CarriesMemory(config).
  SegmentMemory(const ModelConfig& config, int64_t rows,
                const torch::TensorOptions& like);

  // Rows [begin, end), sharing memory.
  SegmentMemory Rows(int64_t begin, int64_t end) const;
  // Overwrites rows from `begin` on with those of `other`.
  void CopyRows(int64_t begin, const SegmentMemory& other);
  // As new.
  void Clear();

  // Around a forward pass over a segment, whose `segments` are [B, n]: `continues` [B]
  // of bool, whether the text of a row's first item went before it.
  void Begin(const torch::Tensor& continues);
  void End(const torch::Tensor& segments);

  absl::Span<LevelMemory> levels() { return absl::MakeSpan(levels_); }

  // All that must survive, by name.
  void ForEach(const std::function<void(const std::string&, torch::Tensor&)>& visit);

 private:
  std::vector<int64_t> item_bytes_;  // of each level
  std::vector<LevelMemory> levels_;
  // [B] of double, so that a file can hold it: bytes of the row's newest text so far.
  torch::Tensor past_;
};

// Documents of memory and segment: [B, M + n], memory that is of no text of the segment
// in a document of its own, -1. `segments` [B, n].
torch::Tensor WithPastSegments(const LevelMemory& memory, int64_t carried,
                               const torch::Tensor& segments);
// The last `carried` of both, without gradient: [B, carried, D].
torch::Tensor Carried(const torch::Tensor& memory, const torch::Tensor& x);

}  // namespace strata
