#pragma once
// Texts, choices and models that the tests of inspections share.

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "model/hierarchy/hierarchical_transformer.h"
#include "model/inspect_selection.h"
#include "model/inspector.h"
#include "model/items.h"

namespace strata::testing {

inline constexpr int64_t kBytes = 150;
inline constexpr int kTopK = kMaxInspectTopK;

// A marker and printable bytes with spaces, so that ragged units end.
inline std::vector<int64_t> Fed(int64_t bytes = kBytes) {
  std::vector<int64_t> fed = {kSos};
  for (int64_t i = 0; i < bytes; ++i) {
    fed.push_back(i % 7 == 5 ? ' ' : 'a' + (i * i + i / 3) % 26);
  }
  return fed;
}

// Every layer, every head.
inline std::vector<LevelSelection> Everything(const ModelConfig& config,
                                       int64_t bytes = kBytes) {
  InspectOptions options;
  options.top_k = 1;  // the passes choose their own
  for (int layer = 0; layer < 64; ++layer) {
    const bool there = std::any_of(
        config.levels.begin(), config.levels.end(), [&](const auto& level) {
          return layer < std::max(EncoderRuns(level), DecoderRuns(level));
        });
    if (there) options.layers.push_back(layer);
  }
  return SelectForInspection(config, options, bytes).value();
}

inline HierarchicalTransformer Model(const ModelConfig& config) {
  HierarchicalTransformer model(config, ModelOptions{.seed = 5});
  model->to(torch::kDouble);
  model->eval();
  return model;
}

inline torch::Tensor Items(const std::vector<int64_t>& fed) {
  return torch::tensor(fed, torch::kLong).unsqueeze(0);
}

inline void ExpectEqualMaps(const AttentionMap& a, const AttentionMap& b) {
  EXPECT_EQ(a.layer, b.layer);
  EXPECT_EQ(a.head, b.head);
  ASSERT_EQ(a.rows.size(), b.rows.size());
  for (size_t i = 0; i < a.rows.size(); ++i) {
    ASSERT_EQ(a.rows[i].links.size(), b.rows[i].links.size());
    for (size_t k = 0; k < a.rows[i].links.size(); ++k) {
      EXPECT_EQ(a.rows[i].links[k].key, b.rows[i].links[k].key);
      EXPECT_EQ(a.rows[i].links[k].weight, b.rows[i].links[k].weight);
    }
  }
}

}  // namespace strata::testing
