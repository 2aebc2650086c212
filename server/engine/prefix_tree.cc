#include "server/engine/prefix_tree.h"

#include <algorithm>
#include <utility>

namespace strata {
namespace {

int64_t CommonItems(absl::Span<const Item> a, absl::Span<const Item> b) {
  const auto at = std::mismatch(a.begin(), a.end(), b.begin(), b.end());
  return at.first - a.begin();
}

}  // namespace

PrefixTree::Match PrefixTree::Find(absl::Span<const Item> items) {
  Match match;
  Node* node = &root_;
  while (!items.empty()) {
    const auto next = node->children.find(items.front());
    if (next == node->children.end()) break;
    node = next->second.get();
    const int64_t common = CommonItems(node->edge, items);
    match.shared += common;
    if (common < static_cast<int64_t>(node->edge.size())) break;
    if (node->snapshot != nullptr) match.longest = node;
    items.remove_prefix(common);
  }
  return match;
}

PrefixTree::Node* PrefixTree::Insert(absl::Span<const Item> items) {
  Node* node = &root_;
  while (!items.empty()) {
    const auto next = node->children.find(items.front());
    if (next == node->children.end()) return AddChild(node, items);
    node = next->second.get();
    const int64_t common = CommonItems(node->edge, items);
    if (common < static_cast<int64_t>(node->edge.size())) {
      node = Split(node, common);
    }
    items.remove_prefix(common);
  }
  return node;
}

PrefixTree::Node* PrefixTree::AddChild(Node* parent,
                                       absl::Span<const Item> edge) {
  auto child = std::make_unique<Node>();
  child->edge.assign(edge.begin(), edge.end());
  child->parent = parent;
  Node* const added = child.get();
  parent->children[edge.front()] = std::move(child);
  return added;
}

// The lower part stays the node that it was: others point to it.
PrefixTree::Node* PrefixTree::Split(Node* node, int64_t items) {
  std::unique_ptr<Node>& slot = node->parent->children[node->edge.front()];
  auto upper = std::make_unique<Node>();
  upper->edge.assign(node->edge.begin(), node->edge.begin() + items);
  upper->parent = node->parent;
  std::unique_ptr<Node> lower = std::exchange(slot, std::move(upper));
  lower->edge.erase(lower->edge.begin(), lower->edge.begin() + items);
  lower->parent = slot.get();
  slot->children[lower->edge.front()] = std::move(lower);
  return slot.get();
}

SnapshotPtr PrefixTree::Remove(Node* node) {
  SnapshotPtr snapshot = std::exchange(node->snapshot, nullptr);
  Prune(node);
  return snapshot;
}

void PrefixTree::Prune(Node* node) {
  Node* const parent = node->parent;
  if (parent == nullptr || node->snapshot != nullptr) return;
  if (node->children.empty()) {
    const Item first = node->edge.front();
    parent->children.erase(first);
    Prune(parent);  // which may have no reason to be any more
  } else if (node->children.size() == 1) {
    std::unique_ptr<Node> child = std::move(node->children.begin()->second);
    child->edge.insert(child->edge.begin(), node->edge.begin(),
                       node->edge.end());
    child->parent = parent;
    parent->children[child->edge.front()] = std::move(child);  // node is gone
  }
}

}  // namespace strata
