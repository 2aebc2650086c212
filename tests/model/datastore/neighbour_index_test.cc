// The index against every key looked at in another way; files; equal bits.

#include "model/datastore/neighbour_index.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fstream>
#include <thread>
#include <tuple>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/base/random.h"
#include "model/datastore_spec.h"
#include "model/version_dir.h"
#include "tests/testing/temp_dir.h"

namespace strata {
namespace {

using Kind = NeighbourIndex::Kind;
using Key = std::vector<float>;

// Keys in clusters, as the hidden states of like places are; in quarters, so that
// bfloat16 holds them and distances tie. Coordinates in [-8, 8].
Key RandomKey(int64_t dim, uint64_t seed, uint64_t entry) {
  Key key(dim);
  const uint64_t cluster = RandomBits(seed, 1, entry) % 20;
  for (int64_t d = 0; d < dim; ++d) {
    const auto center = static_cast<int>(RandomBits(seed, 2 + cluster, d) % 13) - 6;
    const auto offset = static_cast<int>(RandomBits(seed, 100 + entry, d) % 9) - 4;
    key[d] = static_cast<float>(center) + 0.25f * static_cast<float>(offset);
  }
  return key;
}

Item NextOf(int64_t entry) { return static_cast<Item>(entry * 7 % 300); }

std::unique_ptr<NeighbourIndex> Filled(Kind kind, int64_t dim, int64_t n,
                                       uint64_t seed = 1) {
  auto index = NeighbourIndex::Create(kind, dim, n);
  EXPECT_TRUE(index.ok()) << index.status();
  for (int64_t i = 0; i < n; ++i) {
    EXPECT_TRUE((*index)->Add(RandomKey(dim, seed, i), NextOf(i)).ok());
  }
  return *std::move(index);
}

// All entries by (distance, entry), looked at one by one in double.
std::vector<std::pair<double, int64_t>> BruteForce(const Key& query, int64_t n,
                                                   uint64_t seed = 1) {
  std::vector<std::pair<double, int64_t>> all;
  for (int64_t i = 0; i < n; ++i) {
    const Key key = RandomKey(static_cast<int64_t>(query.size()), seed, i);
    double sum = 0;
    for (size_t d = 0; d < key.size(); ++d) {
      sum += (double{key[d]} - query[d]) * (double{key[d]} - query[d]);
    }
    all.emplace_back(sum, i);
  }
  std::sort(all.begin(), all.end());
  return all;
}

class EveryKind : public ::testing::TestWithParam<Kind> {};
INSTANTIATE_TEST_SUITE_P(Kinds, EveryKind,
                         ::testing::Values(Kind::kExact, Kind::kGraph));

TEST(ExactIndex, FindsWhatBruteForceFinds) {
  for (const int64_t dim : {2, 12, 16, 50}) {
    const int64_t n = 700;
    const auto index = Filled(Kind::kExact, dim, n);
    for (uint64_t q = 0; q < 20; ++q) {
      const Key query = RandomKey(dim, 1, 10'000 + q);
      const auto want = BruteForce(query, n);
      const int k = 1 + static_cast<int>(q * 5);
      const auto got = *index->Find(query, k);
      ASSERT_EQ(got.size(), static_cast<size_t>(k));
      for (int i = 0; i < k; ++i) {
        ASSERT_EQ(got[i].entry, want[i].second) << dim << " " << q << " " << i;
        ASSERT_EQ(got[i].distance, want[i].first);
        ASSERT_EQ(got[i].next, NextOf(got[i].entry));
      }
    }
  }
}

TEST(GraphIndex, FindsNearlyAllThatBruteForceFindsAndTellsTheTruthOfThem) {
  const int64_t dim = 24, n = 5000;
  const auto index = Filled(Kind::kGraph, dim, n);
  int found = 0, wanted = 0;
  for (uint64_t q = 0; q < 100; ++q) {
    const Key query = RandomKey(dim, 1, 100'000 + q);
    const auto want = BruteForce(query, n);
    const auto got = *index->Find(query, 16);
    ASSERT_EQ(got.size(), 16u);
    for (const Neighbour& neighbour : got) {
      const auto truth = std::find_if(want.begin(), want.end(), [&](const auto& w) {
        return w.second == neighbour.entry;
      });
      ASSERT_EQ(neighbour.distance, truth->first);
      ASSERT_EQ(neighbour.next, NextOf(neighbour.entry));
      found += neighbour.distance <= want[15].first;
    }
    wanted += 16;
  }
  EXPECT_GE(found, wanted * 98 / 100);
}

TEST_P(EveryKind, WhatWasStoredIsAtDistanceZeroWhateverItsNumbers) {
  const int64_t n = 300;
  auto index = *NeighbourIndex::Create(GetParam(), 10, n);
  std::vector<Key> keys;
  for (int64_t i = 0; i < n; ++i) {
    Key key(10);
    for (int64_t d = 0; d < 10; ++d) {
      key[d] = static_cast<float>(20 * RandomUniform(5, i, d) - 10);
    }
    ASSERT_TRUE(index->Add(key, NextOf(i)).ok());
    keys.push_back(key);
  }
  for (int64_t i = 0; i < n; ++i) {
    const auto nearest = *index->Find(keys[i], 3);
    EXPECT_EQ(nearest[0].entry, i);
    EXPECT_EQ(nearest[0].distance, 0);
    EXPECT_GT(nearest[1].distance, 0);
  }
}

TEST_P(EveryKind, NoMoreAreFoundThanThereAre) {
  const auto index = Filled(GetParam(), 4, 3);
  EXPECT_EQ(index->Find(RandomKey(4, 1, 9), 10)->size(), 3u);
  EXPECT_EQ(index->size(), 3);
  EXPECT_EQ(index->capacity(), 3);
}

std::string FileOf(const NeighbourIndex& index, const std::string& path) {
  EXPECT_EQ(index.Save(path), absl::OkStatus());
  return *ReadFile(path);
}

// What a job that is killed does.
TEST_P(EveryKind, AnIndexThatWasSavedAndOpenedOnTheWayIsTheSameFile) {
  TempDir temp;
  const int64_t dim = 12, n = 1500;
  const std::string want = FileOf(*Filled(GetParam(), dim, n), temp / "whole");
  auto index = *NeighbourIndex::Create(GetParam(), dim, n);
  for (int64_t i = 0; i < n; ++i) {
    if (i == 1 || i == 400 || i == 1499) {
      ASSERT_EQ(index->Save(temp / "part"), absl::OkStatus());
      index = *NeighbourIndex::Open(GetParam(), dim, temp / "part", /*grows=*/true);
      ASSERT_EQ(index->size(), i);
      ASSERT_EQ(index->capacity(), n);
    }
    ASSERT_TRUE(index->Add(RandomKey(dim, 1, i), NextOf(i)).ok());
  }
  EXPECT_EQ(FileOf(*index, temp / "resumed"), want);
}

TEST_P(EveryKind, AnOpenedIndexAnswersAsTheOneThatWasSavedFromAnyThread) {
  TempDir temp;
  const int64_t dim = 12, n = 2000;
  const auto built = Filled(GetParam(), dim, n);
  FileOf(*built, temp / "index");
  const auto opened =
      *NeighbourIndex::Open(GetParam(), dim, temp / "index", /*grows=*/false);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (uint64_t q = t; q < 60; ++q) {
        const Key query = RandomKey(dim, 1, 50'000 + q);
        const auto want = *built->Find(query, 40);
        const auto got = *opened->Find(query, 40);
        ASSERT_EQ(got.size(), want.size());
        for (size_t i = 0; i < want.size(); ++i) {
          ASSERT_EQ(std::tuple(got[i].distance, got[i].entry, got[i].next),
                    std::tuple(want[i].distance, want[i].entry, want[i].next));
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST_P(EveryKind, TakesNoMoreMemoryThanIsSaid) {
  ModelConfig config;
  config.levels.push_back({.dim = 20, .heads = 1});
  const auto index = Filled(GetParam(), 20, 3000);
  EXPECT_LE(index->bytes(), DatastoreBytes(3000, config));
}

TEST_P(EveryKind, AFileThatIsNoneIsRefused) {
  TempDir temp;
  const std::string good = FileOf(*Filled(GetParam(), 12, 200), temp / "index");
  const auto open = [&](const std::string& contents, int64_t dim = 12) {
    std::ofstream(temp / "bad", std::ios::binary) << contents;
    return NeighbourIndex::Open(GetParam(), dim, temp / "bad", false).status();
  };
  EXPECT_EQ(open(good), absl::OkStatus());
  EXPECT_FALSE(open("").ok());
  EXPECT_FALSE(open(good.substr(0, 50)).ok());
  EXPECT_FALSE(open(good.substr(0, good.size() - 1)).ok());
  EXPECT_EQ(open(good, 40).code(), absl::StatusCode::kDataLoss);
  std::string count = good;  // of another number of keys
  const size_t at = GetParam() == Kind::kGraph ? 16 : 0;
  count[at] = static_cast<char>(count[at] ^ 0x40);
  EXPECT_FALSE(open(count).ok());
  EXPECT_TRUE(absl::IsNotFound(
      NeighbourIndex::Open(GetParam(), 12, temp / "none", false).status()));
}

}  // namespace
}  // namespace strata
