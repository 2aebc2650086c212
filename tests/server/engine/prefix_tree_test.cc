// The tree against a plain set of prefixes, under random insertions, removals
// and look-ups over few items, so that edges are split and joined all the time.
#include "server/engine/prefix_tree.h"

#include <algorithm>
#include <map>
#include <random>

#include "gtest/gtest.h"

namespace strata {
namespace {

using Items = std::vector<Item>;

Items RandomPath(std::mt19937* random, int longest) {
  Items items(1 + (*random)() % longest);
  for (Item& item : items) item = (*random)() % 3;
  return items;
}

int64_t Common(const Items& a, const Items& b) {
  int64_t n = 0;
  while (n < static_cast<int64_t>(std::min(a.size(), b.size())) &&
         a[n] == b[n]) {
    ++n;
  }
  return n;
}

TEST(PrefixTreeTest, AgreesWithASetOfPrefixes) {
  std::mt19937 random(5);
  PrefixTree tree;
  std::map<Items, PrefixTree::Node*> kept;
  for (int i = 0; i < 20000; ++i) {
    const Items items = RandomPath(&random, 12);
    if (random() % 3 == 0 && !kept.empty()) {
      auto victim = kept.lower_bound(items);
      if (victim == kept.end()) victim = kept.begin();
      const SnapshotPtr held = victim->second->snapshot;
      ASSERT_EQ(PrefixTree::Remove(victim->second), held);
      kept.erase(victim);
    } else if (kept.size() < 60) {
      PrefixTree::Node* const node = tree.Insert(items);
      ASSERT_EQ(kept.count(items) > 0, node->snapshot != nullptr);
      if (node->snapshot == nullptr) {
        node->snapshot = std::make_shared<Snapshot>();
        kept[items] = node;
      }
      ASSERT_EQ(kept[items], node);
    }
    const Items query = RandomPath(&random, 16);
    PrefixTree::Node* longest = nullptr;
    size_t length = 0;
    int64_t shared = 0;
    for (const auto& [prefix, node] : kept) {
      const int64_t common = Common(prefix, query);
      shared = std::max(shared, common);
      if (common == static_cast<int64_t>(prefix.size()) &&
          prefix.size() > length) {
        longest = node;
        length = prefix.size();
      }
    }
    const PrefixTree::Match match = tree.Find(query);
    ASSERT_EQ(match.longest, longest);
    ASSERT_EQ(match.shared, shared) << "what is gone must leave no path";
  }
  size_t visited = 0;
  tree.ForEach([&](PrefixTree::Node*) { ++visited; });
  EXPECT_EQ(visited, kept.size());
  for (const auto& [prefix, node] : kept) PrefixTree::Remove(node);
  EXPECT_TRUE(tree.empty());
}

TEST(PrefixTreeTest, FindsNothingForNoItems) {
  PrefixTree tree;
  tree.Insert(Items{1, 2})->snapshot = std::make_shared<Snapshot>();
  EXPECT_EQ(tree.Find({}).longest, nullptr);
  EXPECT_EQ(tree.Find({}).shared, 0);
}

}  // namespace
}  // namespace strata
