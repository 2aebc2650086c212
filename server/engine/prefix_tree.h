#pragma once
// PrefixTree: snapshots by the items that they stand after, as a radix tree:
// one walk along a prompt finds the longest prefix that is kept, and how much
// of the prompt is common to anything kept. Items are compared, not hashed: no
// two prefixes are ever taken for one another. Shared parts of prefixes are
// stored once. Not thread-safe.
//
// Cost: one comparison an item of the prompt, and one look-up where paths part.

#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <vector>

#include "absl/types/span.h"
#include "model/items.h"
#include "server/engine/snapshot.h"

namespace strata {

class PrefixTree {
 public:
  struct Node {
    std::vector<Item> edge;  // items from the parent to here; none: the root
    Node* parent = nullptr;
    std::map<Item, std::unique_ptr<Node>> children;  // by their first item
    // Null where paths only part.
    SnapshotPtr snapshot;
    // Of the owner: its place in an order of use.
    std::list<Node*>::iterator recent;
  };

  struct Match {
    Node* longest = nullptr;  // with a snapshot; of all prefixes of the items
    int64_t shared = 0;  // items in common with any path of the tree
  };
  Match Find(absl::Span<const Item> items);

  // The node of exactly these items, made if there is none. The caller gives it
  // its snapshot. It stays where it is until it is removed. REQUIRES: an item.
  Node* Insert(absl::Span<const Item> items);

  // Takes the snapshot out, and the node with it unless paths part there.
  static SnapshotPtr Remove(Node* node);

  bool empty() const { return root_.children.empty(); }
  // Visits every node that has a snapshot.
  template <typename Visitor>
  void ForEach(Visitor visit) {
    ForEach(&root_, visit);
  }

 private:
  static Node* AddChild(Node* parent, absl::Span<const Item> edge);
  // A new node between `node` and its parent, after `items` items of its edge.
  static Node* Split(Node* node, int64_t items);
  // Without a snapshot a leaf goes, and a node with one child is joined to it.
  static void Prune(Node* node);
  template <typename Visitor>
  static void ForEach(Node* node, Visitor& visit) {
    if (node->snapshot != nullptr) visit(node);
    for (const auto& [item, child] : node->children) {
      ForEach(child.get(), visit);
    }
  }

  Node root_;
};

}  // namespace strata
