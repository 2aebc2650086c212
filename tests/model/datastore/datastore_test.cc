// A version folder's datastore: what is written is read, what does not fit is refused.

#include "model/datastore/datastore.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/version_dir.h"
#include "tests/testing/temp_dir.h"

namespace strata {
namespace {

using ::testing::HasSubstr;

constexpr int64_t kPlenty = int64_t{1} << 30;

DatastoreInfo SmallInfo() {
  DatastoreInfo info;
  info.dim = 4;
  info.entries = 3;
  info.max_k = 3;
  info.best = {0.25, 2, 1.5};
  info.bits_per_byte_alone = 2.5;
  info.bits_per_byte = 2.25;
  return info;
}

class DatastoreTest : public ::testing::Test {
 protected:
  DatastoreTest() { config.levels.push_back({.dim = 4, .heads = 1}); }

  // A version folder with this datastore.json beside an index of three entries.
  std::string Version(const std::string& json) {
    const std::string dir = temp / absl::StrCat("version", ++made_);
    auto writer = *DirWriter::Create(dir, "test");
    auto index = *NeighbourIndex::Create(NeighbourIndex::Kind::kExact, 4, 3);
    for (int i = 0; i < 3; ++i) {
      EXPECT_TRUE(index->Add({float(i), 0, 0, 0}, 'a' + i).ok());
    }
    EXPECT_TRUE(index->Save(writer.path() + "/" + kDatastoreIndex).ok());
    EXPECT_TRUE(writer.WriteFile(kDatastoreInfo, json).ok());
    EXPECT_TRUE(writer.Commit({}).ok());
    return dir;
  }
  std::string Refusal(const std::string& json, int64_t max_bytes = kPlenty) {
    const auto loaded = LoadDatastore(Version(json), config, max_bytes);
    EXPECT_FALSE(loaded.ok()) << json;
    return loaded.status().ToString();
  }

  TempDir temp;
  ModelConfig config;

 private:
  int made_ = 0;
};

TEST_F(DatastoreTest, IsReadAsItWasWritten) {
  const auto loaded =
      LoadDatastore(Version(DatastoreInfoToJson(SmallInfo())), config, kPlenty);
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  const Neighbours& neighbours = **loaded;
  EXPECT_EQ(neighbours.entries(), 3);
  EXPECT_EQ(neighbours.max_k(), 3);
  EXPECT_EQ(neighbours.kind(), "exact");
  EXPECT_EQ(neighbours.defaults().weight, 0.25);
  EXPECT_EQ(neighbours.defaults().k, 2);
  EXPECT_EQ(neighbours.defaults().temperature, 1.5);
  const auto nearest = neighbours.Find({1.75, 0, 0, 0}, 2);
  EXPECT_EQ((*nearest)[0].next, 'c');
  EXPECT_EQ((*nearest)[1].next, 'b');
  const auto info = ParseDatastoreInfo(DatastoreInfoToJson(SmallInfo()));
  ASSERT_TRUE(info.ok());
  EXPECT_EQ(info->bits_per_byte_alone, 2.5);
  EXPECT_EQ(info->bits_per_byte, 2.25);
}

TEST_F(DatastoreTest, AVersionWithoutOneHasNone) {
  auto writer = *DirWriter::Create(temp / "plain", "test");
  ASSERT_TRUE(writer.WriteFile("config.json", "{}").ok());
  ASSERT_TRUE(writer.Commit({}).ok());
  const auto loaded = LoadDatastore(temp / "plain", config, kPlenty);
  ASSERT_TRUE(loaded.ok());
  EXPECT_EQ(*loaded, nullptr);
}

TEST_F(DatastoreTest, WhatDoesNotFitIsRefusedWithItsReason) {
  const std::string good = DatastoreInfoToJson(SmallInfo());
  const auto with = [&](const std::string& from, const std::string& to) {
    return absl::StrReplaceAll(good, {{from, to}});
  };
  EXPECT_THAT(Refusal("{}"), HasSubstr("DATA_LOSS"));
  EXPECT_THAT(Refusal(with("\"exact\"", "\"tree\"")), HasSubstr("index"));
  EXPECT_THAT(Refusal(with("\"dim\": 4", "\"dim\": 8")), HasSubstr("not one of this"));
  EXPECT_THAT(Refusal(with("\"entries\": 3", "\"entries\": 4")), HasSubstr("3 entries"));
  EXPECT_THAT(Refusal(with("\"weight\": 0.25", "\"weight\": 2")), HasSubstr("weight is 2"));
  EXPECT_THAT(Refusal(with("\"exact\"", "\"graph\"")), HasSubstr("DATA_LOSS"));
  EXPECT_THAT(Refusal(good, 100), HasSubstr("--datastore-memory allows 100"));
}

}  // namespace
}  // namespace strata
