#include "model/inspect/attention_recorder.h"

#include <algorithm>
#include <utility>

#include "model/tree_nodes.h"

namespace strata {
namespace {

// The weights of some heads on this side, in fp64: [rows, heads, q, keys].
torch::Tensor OnHost(const torch::Tensor& weights,
                     const std::vector<int>& heads) {
  const std::vector<int64_t> index(heads.begin(), heads.end());
  return weights
      .index_select(1, torch::tensor(index, torch::kLong).to(weights.device()))
      .to(torch::kDouble)
      .cpu()
      .contiguous();
}

}  // namespace

std::vector<int64_t> TreeNodeNumbers(const TreeShape& tree, int64_t positions) {
  std::vector<int64_t> first = {0};
  const int64_t leaves = positions / tree.leaf;
  for (int h = 0; leaves >> h > 0; ++h) {
    if (tree.max_height > 0 && h > tree.max_height) break;
    first.push_back(first.back() + (leaves >> h));
  }
  return first;
}

void AttentionRecorder::OnWeights(const AttentionPlan& plan, int64_t first,
                                  const torch::Tensor& weights) {
  const auto host = OnHost(weights, heads_);
  const int64_t queries = host.size(2);
  const int64_t slots = host.size(3);
  const double* row = host.const_data_ptr<double>();
  std::vector<AttentionLink> keys;
  for (int64_t chunk = 0; chunk < host.size(0); ++chunk) {
    for (size_t slot = 0; slot < heads_.size(); ++slot) {
      for (int64_t r = 0; r < queries; ++r, row += slots) {
        const int64_t query = plan.QueryItem(chunk, first + r);
        if (query >= plan.items) continue;  // padding
        keys.clear();
        for (int64_t s = 0; s < slots; ++s) {
          keys.push_back({static_cast<int32_t>(plan.KeyItem(0, chunk, s)),
                          static_cast<float>(row[s])});
        }
        Keep(slot, query, plan.items, &keys);
      }
    }
  }
}

void AttentionRecorder::OnTreeWeights(const TreePlan& plan, int64_t first,
                                      const torch::Tensor& weights) {
  const TreeShape& tree = plan.tree;
  const auto host = OnHost(weights, heads_);
  const auto numbers = TreeNodeNumbers(tree, plan.items);
  const int64_t slots = host.size(3);
  const double* row = host.const_data_ptr<double>();
  std::vector<AttentionLink> keys;
  for (int64_t leaf = 0; leaf < host.size(0); ++leaf) {
    const std::vector<TreeNode> nodes =
        VisibleTreeNodes(leaf, tree.max_height);
    for (size_t slot = 0; slot < heads_.size(); ++slot) {
      for (int64_t r = 0; r < host.size(2); ++r, row += slots) {
        const int64_t query = leaf * tree.leaf + first + r;
        if (query >= plan.items) continue;
        keys.clear();
        for (int64_t s = 0; s < tree.leaf; ++s) {
          keys.push_back(
              {static_cast<int32_t>(leaf * tree.leaf + s),
               static_cast<float>(row[plan.seen * tree.summaries + s])});
        }
        const double* vectors = row;
        for (const TreeNode& node : nodes) {
          double sum = 0;
          for (int m = 0; m < tree.summaries; ++m) sum += *vectors++;
          keys.push_back(
              {static_cast<int32_t>(
                   plan.items + numbers[static_cast<size_t>(node.height)] +
                   node.index),
               static_cast<float>(sum)});
        }
        Keep(slot, query, plan.items, &keys);
      }
    }
  }
}

void AttentionRecorder::OnNeighbourWeights(int64_t query, int64_t key,
                                           const torch::Tensor& weights) {
  const auto host = OnHost(weights, heads_);
  const double* row = host.const_data_ptr<double>();
  std::vector<AttentionLink> keys;
  for (size_t slot = 0; slot < heads_.size(); ++slot) {
    const auto positions = static_cast<int64_t>(maps_[slot].size());
    for (int64_t r = 0; r < host.size(2); ++r, row += host.size(3)) {
      AttentionRow& told = maps_[slot][static_cast<size_t>(query + r)];
      const float rest = told.rest;
      keys = std::move(told.links);
      for (int64_t s = 0; s < host.size(3); ++s) {
        keys.push_back({static_cast<int32_t>(key + s), static_cast<float>(row[s])});
      }
      Keep(slot, query + r, positions, &keys);
      told.rest += rest;
    }
  }
}

void AttentionRecorder::OnContextWeights(const torch::Tensor& contexts,
                                         const torch::Tensor& weights) {
  const auto host = OnHost(weights, heads_);
  const auto seen = contexts.cpu().contiguous();
  const int64_t items = host.size(2);
  const double* row = host.const_data_ptr<double>();
  std::vector<AttentionLink> keys;
  for (size_t slot = 0; slot < heads_.size(); ++slot) {
    const int64_t* context = seen.const_data_ptr<int64_t>();
    for (int64_t query = 0; query < items; ++query) {
      keys.clear();
      for (int64_t s = 0; s < host.size(3); ++s) {
        keys.push_back({static_cast<int32_t>(items + *context++), static_cast<float>(*row++)});
      }
      Keep(slot, query, items, &keys);
    }
  }
}

void AttentionRecorder::Keep(size_t slot, int64_t query, int64_t positions,
                             std::vector<AttentionLink>* keys) {
  keys->erase(std::remove_if(keys->begin(), keys->end(),
                             [](const auto& link) { return link.weight <= 0; }),
              keys->end());
  const auto kept = keys->begin() + std::min<int64_t>(
                                        top_k_, static_cast<int64_t>(keys->size()));
  std::partial_sort(keys->begin(), kept, keys->end(),
                    [](const auto& a, const auto& b) {
                      return a.weight != b.weight ? a.weight > b.weight
                                                  : a.key < b.key;
                    });
  double rest = 0;
  for (auto link = kept; link != keys->end(); ++link) rest += link->weight;
  auto& rows = maps_[slot];
  rows.resize(static_cast<size_t>(positions));
  rows[static_cast<size_t>(query)] = {{keys->begin(), kept},
                                      static_cast<float>(rest)};
}

std::vector<AttentionMap> AttentionRecorder::Take(int layer) {
  std::vector<AttentionMap> maps;
  for (size_t slot = 0; slot < heads_.size(); ++slot) {
    maps.push_back({layer, heads_[slot], std::exchange(maps_[slot], {})});
  }
  return maps;
}

}  // namespace strata
