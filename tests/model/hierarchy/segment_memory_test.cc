// Segments with a memory are one pass over the whole text, and no gradient goes from one
// to the one before it (P10 of the property suites).

#include "model/hierarchy/segment_memory.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "model/hierarchy/item_loss.h"
#include "model/segment_rule.h"
#include "tests/model/hierarchy/fixture.h"
#include "tests/model/memory_config.h"

namespace strata::testing {
namespace {

void Carry(ModelConfig* config) {
  for (LevelConfig& level : config->levels) {
    if (level.memory == MemoryKind::kNone) level.memory = MemoryKind::kSegment;
  }
}

// The memory configs, and every tested one that may carry a memory.
std::vector<std::string> MemoryModels() {
  std::vector<std::string> names;
  for (const std::string& name : TestedModels()) {
    ModelConfig config = TestedConfig(name);
    Carry(&config);
    if (ValidateModelConfig(config).ok()) names.push_back(name);
  }
  return names;
}

// Rows of several segments: one text; texts that begin within segments and at their
// ends.
struct Stream {
  torch::Tensor items, segments;  // [rows, n]
};

Stream MakeStream(int64_t units, int64_t align) {
  const int64_t n = units * align;
  Stream stream = {RandomBytes(3, n, 21), torch::zeros({3, n}, torch::kLong)};
  stream.segments.slice(0, 1, 2).slice(1, units / 3 * align) += 1;
  stream.segments.slice(0, 1, 2).slice(1, units / 2 * align) += 1;
  stream.segments.slice(0, 2, 3).slice(1, align) += 1;
  return stream;
}

class SegmentMemoryTest : public ::testing::TestWithParam<std::string> {
 protected:
  SegmentMemoryTest() : config_(TestedConfig(GetParam())) {
    Carry(&config_);
    align_ = DocumentAlignment(config_);
    model_ = SharpModel(config_, torch::kDouble);
  }

  SegmentMemory Memory(int64_t rows) const {
    return SegmentMemory(config_, rows, torch::kDouble);
  }

  // Contexts of items [begin, end), which go on where they can.
  torch::Tensor Segment(const Stream& stream, int64_t begin, int64_t end,
                        SegmentMemory* memory) {
    const auto segments = stream.segments.slice(1, begin, end);
    const auto continues =
        begin == 0 ? torch::zeros({stream.items.size(0)}, torch::kBool)
                   : stream.segments.select(1, begin - 1) == segments.select(1, 0);
    return model_->SegmentContexts(stream.items.slice(1, begin, end), segments,
                                   continues, memory);
  }

  ModelConfig config_;
  int64_t align_ = 1;
  HierarchicalTransformer model_{nullptr};
};

TEST_P(SegmentMemoryTest, SegmentsAreOnePass) {
  torch::NoGradGuard no_grad;
  const int64_t units = 14;
  const Stream stream = MakeStream(units, align_);
  const auto whole = PredictingContexts(model_, stream.items, stream.segments);
  for (const int64_t of_a_segment : {1, 2, 5, 14}) {
    SegmentMemory memory = Memory(3);
    std::vector<torch::Tensor> parts;
    for (int64_t unit = 0; unit < units; unit += of_a_segment) {
      parts.push_back(Segment(stream, unit * align_,
                              std::min(units, unit + of_a_segment) * align_, &memory));
    }
    const auto joined = at::cat(parts, 1);
    ASSERT_EQ(joined.sizes(), whole.sizes());
    EXPECT_LT((joined - whole).abs().max().item<double>(), 1e-10) << of_a_segment;
  }
}

TEST_P(SegmentMemoryTest, WithoutContinuingASegmentIsATextOfItsOwn) {
  torch::NoGradGuard no_grad;
  const Stream stream = MakeStream(6, align_);
  SegmentMemory memory = Memory(3);
  Segment(stream, 0, 3 * align_, &memory);
  const Stream rest = {stream.items.slice(1, 3 * align_),
                       stream.segments.slice(1, 3 * align_)};
  const auto alone = PredictingContexts(model_, rest.items, rest.segments);
  SegmentMemory cleared = Memory(3);
  cleared.CopyRows(0, memory);
  cleared.Clear();
  const auto never = torch::zeros({3}, torch::kBool);
  const auto forgotten =
      model_->SegmentContexts(rest.items, rest.segments, never, &memory);
  EXPECT_LT((forgotten - alone).abs().max().item<double>(), 1e-10);
  const auto empty = model_->SegmentContexts(rest.items, rest.segments,
                                             never.logical_not(), &cleared);
  EXPECT_LT((empty - alone).abs().max().item<double>(), 1e-10);
  const auto whole = PredictingContexts(model_, stream.items, stream.segments)
                         .slice(1, 3 * align_);
  EXPECT_GT((whole - alone).abs().max().item<double>(), 1e-3);
}

TEST_P(SegmentMemoryTest, RowsOfABatchCarryTheirOwn) {
  torch::NoGradGuard no_grad;
  const Stream stream = MakeStream(6, align_);
  const int64_t half = 3 * align_;
  SegmentMemory together = Memory(3), apart = Memory(3);
  const auto begins = torch::zeros({3}, torch::kBool);
  Segment(stream, 0, half, &together);
  const auto expected = Segment(stream, half, 2 * half, &together);
  for (int64_t row = 0; row < 3; ++row) {
    const Stream one = {stream.items.slice(0, row, row + 1),
                        stream.segments.slice(0, row, row + 1)};
    SegmentMemory memory = apart.Rows(row, row + 1);
    Segment(one, 0, half, &memory);
    apart.CopyRows(row, memory);
    SegmentMemory next = apart.Rows(row, row + 1);
    const auto found = Segment(one, half, 2 * half, &next);
    EXPECT_LT((found - expected.slice(0, row, row + 1)).abs().max().item<double>(),
              1e-10);
  }
}

// The slope along one direction of the loss of the second segment, with a memory that
// stays as it is, is the gradient's; that of one pass is another.
TEST_P(SegmentMemoryTest, GradientsDoNotCrossSegments) {
  for (auto& entry : model_->named_parameters()) {
    // At an end of its range a learnt span has one slope on either side.
    torch::NoGradGuard no_grad;
    if (absl::EndsWith(entry.key(), "position.span")) entry.value().fill_(0.3);
  }
  const Stream stream = MakeStream(6, align_);
  const int64_t half = 3 * align_;
  SegmentMemory memory = Memory(3);
  Segment(stream, 0, half, &memory);
  memory.ForEach([](const std::string& name, torch::Tensor& tensor) {
    EXPECT_FALSE(tensor.requires_grad()) << name;
  });
  const auto second = stream.items.slice(1, half);
  const auto learnt = torch::ones_like(second);
  const auto loss_of = [&](const torch::Tensor& contexts) {
    return HeadLossSum(model_, contexts, second, learnt, {}, 0);
  };
  const auto loss = [&] {
    SegmentMemory now = memory.Rows(0, 3);
    return loss_of(Segment(stream, half, 2 * half, &now));
  };
  std::vector<torch::Tensor> steps;
  // Small: rectified sums, of models this sharp, bend everywhere. A threshold of exits is
  // not trained, and lets items leave that are as good as sure.
  for (const auto& entry : model_->named_parameters()) {
    const bool learns = !absl::EndsWith(entry.key(), "exit.threshold");
    steps.push_back(torch::randn_like(entry.value()) * (learns ? 1e-8 : 0));
  }
  const auto slope = [&](const torch::Tensor& of) {
    model_->zero_grad();
    of.backward();
    double sum = 0;
    size_t i = 0;
    for (const auto& p : model_->parameters()) {
      if (p.grad().defined()) sum += (p.grad() * steps[i]).sum().item<double>();
      ++i;
    }
    return sum;
  };
  const auto at_step = [&](double factor) {
    torch::NoGradGuard no_grad;
    size_t i = 0;
    for (auto& p : model_->parameters()) p.add_(steps[i++], factor);
    const double value = loss().item<double>();
    i = 0;
    for (auto& p : model_->parameters()) p.sub_(steps[i++], factor);
    return value;
  };
  const double expected = (at_step(1) - at_step(-1)) / 2;
  const double found = slope(loss());
  EXPECT_NEAR(found / expected, 1, 1e-4);
  const double one_pass = slope(
      loss_of(PredictingContexts(model_, stream.items, stream.segments).slice(1, half)));
  EXPECT_GT(std::abs(one_pass / expected - 1), 1e-3);
}

INSTANTIATE_TEST_SUITE_P(Models, SegmentMemoryTest,
                         ::testing::ValuesIn(MemoryModels()),
                         [](const auto& info) {
                           std::string name = info.param;
                           for (char& c : name) c = c == '-' ? '_' : c;
                           return name;
                         });

}  // namespace
}  // namespace strata::testing
