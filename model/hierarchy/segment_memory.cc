#include "model/hierarchy/segment_memory.h"

#include "absl/strings/str_cat.h"
#include "model/knn_rule.h"
#include "model/nn/document_index.h"
#include "model/segment_rule.h"

namespace strata {

SegmentMemory::SegmentMemory(const ModelConfig& config, int64_t rows,
                             const torch::TensorOptions& like) {
  const auto options = like.requires_grad(false);
  for (size_t l = 0; l < config.levels.size(); ++l) {
    const LevelConfig& level = config.levels[l];
    const bool top = l + 1 == config.levels.size();
    LevelMemory& memory = levels_.emplace_back();
    const auto empty = [&](const ScopeSpec& spec) {
      return torch::zeros({rows, CarriedItems(spec), level.dim}, options);
    };
    for (int run = 0; run < EncoderRuns(level); ++run) {
      memory.enc.push_back(empty(SpecOf(level, level.enc_scope)));
    }
    for (int run = 0; run < DecoderRuns(level); ++run) {
      memory.dec.push_back(empty(DecoderRunSpec(level, run)));
    }
    memory.last = torch::zeros({rows, level.dim}, options);
    memory.contexts = torch::zeros(
        {rows, CarriedContexts(level), top ? 0 : config.levels[l + 1].dim}, options);
    item_bytes_.push_back(ItemBytes(config, static_cast<int>(l)));
  }
  past_ = torch::zeros({rows}, options.dtype(torch::kDouble));
}

void SegmentMemory::ForEach(
    const std::function<void(const std::string&, torch::Tensor&)>& visit) {
  for (size_t l = 0; l < levels_.size(); ++l) {
    const std::string at = absl::StrCat("memory.", l, ".");
    LevelMemory& level = levels_[l];
    for (size_t i = 0; i < level.enc.size(); ++i) {
      visit(absl::StrCat(at, "enc.", i), level.enc[i]);
    }
    for (size_t i = 0; i < level.dec.size(); ++i) {
      visit(absl::StrCat(at, "dec.", i), level.dec[i]);
    }
    visit(at + "last", level.last);
    visit(at + "contexts", level.contexts);
  }
  visit("memory.past", past_);
}

SegmentMemory SegmentMemory::Rows(int64_t begin, int64_t end) const {
  SegmentMemory rows = *this;
  rows.ForEach([&](const std::string&, torch::Tensor& tensor) {
    tensor = tensor.narrow(0, begin, end - begin);
  });
  return rows;
}

void SegmentMemory::CopyRows(int64_t begin, const SegmentMemory& other) {
  torch::NoGradGuard no_grad;
  std::vector<torch::Tensor> from;
  SegmentMemory source = other;
  source.ForEach(
      [&](const std::string&, torch::Tensor& tensor) { from.push_back(tensor); });
  size_t next = 0;
  ForEach([&](const std::string&, torch::Tensor& tensor) {
    tensor.narrow(0, begin, from[next].size(0)).copy_(from[next]);
    ++next;
  });
}

void SegmentMemory::Clear() {
  torch::NoGradGuard no_grad;
  ForEach([](const std::string&, torch::Tensor& tensor) { tensor.zero_(); });
}

void SegmentMemory::Begin(const torch::Tensor& continues) {
  past_ = at::where(continues, past_, torch::zeros_like(past_));
  const auto bytes = past_.to(torch::kLong);
  for (size_t l = 0; l < levels_.size(); ++l) {
    levels_[l].past = at::floor_divide(bytes, item_bytes_[l]);
  }
}

void SegmentMemory::End(const torch::Tensor& segments) {
  const int64_t n = segments.size(1);
  // Of the last item's text: those before it in the segment, and all before that where
  // it is the first one's too.
  const auto here = IndexInDocument(n, segments, past_.options()).expand({-1, n})
                        .select(1, n - 1) + 1;
  past_ = here + at::where(here == n, past_, torch::zeros_like(past_));
}

torch::Tensor WithPastSegments(const LevelMemory& memory, int64_t carried,
                               const torch::Tensor& segments) {
  const auto back = torch::arange(carried, 0, -1, segments.options()).unsqueeze(0);
  const auto before =
      at::where(back <= memory.past.unsqueeze(1), segments.narrow(1, 0, 1), -1);
  return at::cat({before, segments}, 1);
}

torch::Tensor Carried(const torch::Tensor& memory, const torch::Tensor& x) {
  const int64_t carried = memory.size(1);
  return at::cat({memory, x.detach()}, 1).narrow(1, x.size(1), carried).contiguous();
}

}  // namespace strata
