#include "tests/model/decode/naive_tree.h"

namespace strata {

using naive::Add;
using naive::AttendOne;
using naive::Part;
using naive::RmsNorm;
using naive::Rotate;
using naive::Times;

void NaiveTree::See(int64_t i, int head, Rows* keys, Rows* values) {
  const size_t d = level_.dim;
  const size_t width = d / level_.heads;
  const int64_t leaf = i / level_.leaf;
  const int cap = level_.tree_height;
  const auto see = [&](int height, int64_t index) {
    const Node& node = At(height, index);
    for (int j = 0; j < level_.summaries; ++j) {
      keys->push_back(Part(node.k[j], head * width, width));
      values->push_back(Part(node.v[j], head * width, width));
    }
  };
  for (int bit = 0; leaf >> bit > 0; ++bit) {
    if (cap > 0 && bit >= cap) break;
    if ((leaf >> bit) % 2 == 1) see(bit, (leaf >> bit) - 1);
  }
  for (int64_t root = 0; cap > 0 && root < leaf >> cap; ++root) see(cap, root);
  for (int64_t j = leaf * level_.leaf; j <= i; ++j) {
    keys->push_back(Part(qkv_[j], d + head * width, width));
    Rotate(&keys->back(), j % level_.leaf, theta_);
    values->push_back(Part(qkv_[j], 2 * d + head * width, width));
  }
}

const NaiveTree::Node& NaiveTree::At(int height, int64_t index) {
  const std::pair<int, int64_t> name = {height, index};
  const auto found = nodes_.find(name);
  if (found != nodes_.end()) return found->second;
  Node made = Make(height, index);
  return nodes_[name] = std::move(made);
}

void NaiveTree::Sources(int height, int64_t index, int head, Rows* keys,
                        Rows* values) {
  const size_t d = level_.dim;
  const size_t width = d / level_.heads;
  for (int r = 0; height == 0 && r < level_.leaf; ++r) {
    const auto& item = qkv_[index * level_.leaf + r];
    keys->push_back(Part(item, d + head * width, width));
    Rotate(&keys->back(), r, theta_);
    values->push_back(Part(item, 2 * d + head * width, width));
  }
  for (int c = 0; height > 0 && c < 2 * level_.summaries; ++c) {
    const Node& child = At(height - 1, 2 * index + c / level_.summaries);
    const int j = c % level_.summaries;
    keys->push_back(Part(child.k[j], head * width, width));
    Rotate(&keys->back(), c, theta_);
    values->push_back(Part(child.v[j], head * width, width));
  }
}

NaiveTree::Node NaiveTree::Make(int height, int64_t index) {
  const size_t d = level_.dim;
  const size_t width = d / level_.heads;
  const std::string tree = layer_ + "attn.tree.";
  const auto& query =
      weights_.at(tree + (height == 0 ? "leaf_query" : "merge_query"));
  const auto& heights = weights_.at(tree + "height");
  const int row = std::min<int>(height, heights.size() / d - 1);
  Node node;
  for (int j = 0; j < level_.summaries; ++j) {
    std::vector<double> drawn;
    for (int head = 0; head < level_.heads; ++head) {
      Rows keys, values;
      Sources(height, index, head, &keys, &values);
      const auto one =
          AttendOne(Part(query, j * d + head * width, width), keys, values);
      drawn.insert(drawn.end(), one.begin(), one.end());
    }
    auto s = Times(weights_.at(layer_ + "attn.out.weight"), drawn);
    Add(&s, Part(heights, row * d, d));
    const auto all = Times(weights_.at(layer_ + "attn.qkv.weight"),
                           RmsNorm(s, weights_.at(tree + "norm.weight")));
    node.k.push_back(Part(all, d, d));
    node.v.push_back(Part(all, 2 * d, d));
    for (int side = 0; height > 0 && side < 2; ++side) {
      const Node& child = At(height - 1, 2 * index + side);
      for (size_t e = 0; e < d; ++e) {
        node.k[j][e] += child.k[j][e] / 2;
        node.v[j][e] += child.v[j][e] / 2;
      }
    }
  }
  return node;
}

}  // namespace strata
