#include "tests/server/registry/registry_fixture.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace strata {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST_F(RegistryTest, AnEmptyRepositoryIsMadeAndServesNothing) {
  ASSERT_TRUE(registry->LoadAll().ok());
  EXPECT_TRUE(fs::is_directory(temp / "models"));
  EXPECT_TRUE(registry->List().empty());
  EXPECT_TRUE(absl::IsNotFound(registry->Resolve("x").status()));
  EXPECT_TRUE(absl::IsNotFound(registry->Get("x").status()));
}

TEST_F(RegistryTest, LoadsEveryVersionThatAnAliasNamesAndOnlyThose) {
  Put("a", 1);
  Put("a", 2);
  Put("a", 10);
  Put("a", 11);
  WriteText("models/a/aliases.json",
            R"({"live": "2", "old": "1", "older": "1", "second": "2"})");
  Put("b", 1);
  Put("b", 3);  // no aliases: the highest is live
  ASSERT_TRUE(registry->LoadAll().ok());
  EXPECT_EQ(loads, 3);
  EXPECT_EQ(LiveOf("a"), "a@2");
  EXPECT_EQ(LiveOf("a@live"), "a@2");
  EXPECT_EQ(LiveOf("b"), "b@3");
  EXPECT_EQ(LiveOf("a@old"), "a@1");
  EXPECT_TRUE(absl::IsFailedPrecondition(registry->Resolve("a@10").status()));
  EXPECT_TRUE(absl::IsNotFound(registry->Resolve("a@4").status()));
  EXPECT_TRUE(absl::IsNotFound(registry->Resolve("a@none").status()));
  EXPECT_TRUE(absl::IsNotFound(registry->Resolve("a@").status()));
  const auto info = registry->Get("a");
  ASSERT_TRUE(info.ok());
  ASSERT_EQ(info->versions.size(), 4u);
  EXPECT_EQ(info->versions[2].version, "10");  // by number, not by text
  EXPECT_EQ(info->versions[1].state, VersionState::kReady);
  EXPECT_EQ(info->versions[2].state, VersionState::kUnloaded);
  EXPECT_EQ((*registry->Resolve("a"))->template_kind, TemplateKind::kChat);
  EXPECT_EQ(*registry->VersionDir("a@old"), temp / "models/a/1");
}

TEST_F(RegistryTest, ASignalEndsTheLoading) {
  for (const char* name : {"a", "b", "c"}) Put(name, 1);
  ASSERT_TRUE(registry->LoadAll([this] { return loads == 1; }).ok());
  EXPECT_EQ(loads, 1);
  EXPECT_EQ(LiveOf("a"), "a@1");
  EXPECT_TRUE(absl::IsFailedPrecondition(registry->Resolve("b").status()));
  EXPECT_TRUE(registry->Load("c@1").ok());
}

TEST_F(RegistryTest, AVersionThatNoAliasNamesLeavesMemory) {
  ASSERT_TRUE(registry->LoadAll().ok());
  Publish("m", Result("r1", "one"), "job-1");
  std::weak_ptr<const ServedVersion> first = *registry->Resolve("m");
  Publish("m", Result("r2", "two"), "job-2");
  EXPECT_TRUE(first.expired());
  EXPECT_TRUE(absl::IsFailedPrecondition(registry->Resolve("m@1").status()));
  ASSERT_TRUE(registry->SetAlias("m", "stable", "2").ok());
  Publish("m", Result("r3", "three"), "job-3");
  EXPECT_EQ(LiveOf("m@2"), "m@2");  // an alias names it
  ASSERT_TRUE(registry->Load("m@3").ok());
  Publish("m", Result("r4", "four"), "job-4");
  EXPECT_EQ(LiveOf("m@3"), "m@3");  // somebody asked for it
  ASSERT_TRUE(registry->SetAlias("m", "stable", "4").ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(registry->Resolve("m@2").status()));
  ASSERT_TRUE(registry->SetAlias("m", "live", "1").ok());  // loads it again
  EXPECT_EQ(LiveOf("m"), "m@1");
}

TEST_F(RegistryTest, ABrokenModelDoesNotStopTheOthers) {
  Put("bad", 1, "bad");
  Put("good", 1);
  Put("torn", 1);
  fs::remove(temp / "models/torn/1/MANIFEST.json");
  Put("odd", 1);
  WriteText("models/odd/aliases.json", "{\"live\": 1}");
  ASSERT_TRUE(registry->LoadAll().ok());
  EXPECT_EQ(LiveOf("good"), "good@1");
  EXPECT_EQ(registry->Get("bad")->versions[0].state, VersionState::kBroken);
  EXPECT_THAT(registry->Get("bad")->versions[0].error, HasSubstr("bad weights"));
  EXPECT_TRUE(absl::IsFailedPrecondition(registry->Resolve("bad").status()));
  EXPECT_EQ(registry->Get("torn")->versions[0].state, VersionState::kBroken);
  EXPECT_THAT(LiveOf("odd"), HasSubstr("aliases.json"));
  // A repaired alias file is written over the bad one.
  EXPECT_TRUE(registry->SetAlias("odd", "live", "1").ok());
  EXPECT_EQ(LiveOf("odd"), "odd@1");
}

TEST_F(RegistryTest, TemporaryAndForeignFoldersAreIgnored) {
  Put("a", 1);
  fs::create_directories(temp / "models/a/.tmp-2-publish-99");
  fs::create_directories(temp / "models/a/02");
  fs::create_directories(temp / "models/a/notes");
  fs::create_directories(temp / "models/.tmp-x");
  WriteText("models/a/.tmp-aliases.json-99-0", "{");
  fs::create_directories(temp / "models/Not A Model/1");
  fs::create_directories(temp / "models/block/1");
  ASSERT_TRUE(registry->LoadAll().ok());
  ASSERT_EQ(registry->List().size(), 1u);
  EXPECT_EQ(registry->Get("a")->versions.size(), 1u);
  EXPECT_FALSE(fs::exists(temp / "models/a/.tmp-2-publish-99"));
  EXPECT_FALSE(fs::exists(temp / "models/.tmp-x"));
  EXPECT_FALSE(fs::exists(temp / "models/a/.tmp-aliases.json-99-0"));
  EXPECT_TRUE(fs::exists(temp / "models/a/notes"));
}

TEST_F(RegistryTest, PublishMakesTheNextVersionLive) {
  ASSERT_TRUE(registry->LoadAll().ok());
  EXPECT_EQ(Publish("m", Result("r1", "one"), "job-1"), "m@1");
  const auto pinned = *registry->Resolve("m");
  EXPECT_EQ(Publish("m", Result("r2", "two"), "job-2"), "m@2");
  EXPECT_EQ(LiveOf("m"), "m@2");
  EXPECT_EQ((*registry->Resolve("m"))->job, "job-2");
  EXPECT_EQ(pinned->name(), "m@1");  // who has it keeps it
  EXPECT_EQ(*ReadFile(temp / "models/m/2/weights"), "two");
  const auto manifest = ReadManifest(temp / "models/m/2", true);
  ASSERT_TRUE(manifest.ok()) << manifest.status();
  EXPECT_EQ(manifest->attributes.at("job"), "job-2");
  EXPECT_EQ(manifest->attributes.at("step"), "7");
  Restart();
  ASSERT_TRUE(registry->LoadAll().ok());
  EXPECT_EQ(LiveOf("m"), "m@2");
  EXPECT_EQ(registry->Get("m")->versions[0].job, "job-1");
}

TEST_F(RegistryTest, PublishIsExactlyOncePerJob) {
  ASSERT_TRUE(registry->LoadAll().ok());
  const std::string result = Result("r1", "one");
  EXPECT_EQ(Publish("m", result, "job-1"), "m@1");
  EXPECT_EQ(Publish("m", result, "job-1"), "m@1");
  Restart();
  ASSERT_TRUE(registry->LoadAll().ok());
  fs::remove_all(result);
  EXPECT_EQ(Publish("m", result, "job-1"), "m@1");
  EXPECT_EQ(registry->Get("m")->versions.size(), 1u);
}

TEST_F(RegistryTest, ACrashBeforeTheAliasIsRepairedByPublishingAgain) {
  ASSERT_TRUE(registry->LoadAll().ok());
  Publish("m", Result("r1", "one"), "job-1");
  Publish("m", Result("r2", "two"), "job-2");
  // As if the second publish had died right after its rename.
  ASSERT_TRUE(
      WriteFileAtomically(temp / "models/m/aliases.json", R"({"live": "1"})")
          .ok());
  Restart();
  ASSERT_TRUE(registry->LoadAll().ok());
  EXPECT_EQ(LiveOf("m"), "m@1");
  EXPECT_EQ(Publish("m", temp / "gone", "job-2"), "m@2");
  EXPECT_EQ(LiveOf("m"), "m@2");
  // An older job that asks again takes nothing back.
  EXPECT_EQ(Publish("m", temp / "gone", "job-1"), "m@1");
  EXPECT_EQ(LiveOf("m"), "m@2");
}

// Whoever set `live` back meanwhile knows better than the end of an old publish.
TEST_F(RegistryTest, PublishingAgainDoesNotUndoAnOperatorsChoice) {
  ASSERT_TRUE(registry->LoadAll().ok());
  Publish("m", Result("r1", "one"), "job-1");
  Publish("m", Result("r2", "two"), "job-2");
  ASSERT_TRUE(registry->SetAlias("m", "live", "1").ok());
  EXPECT_EQ(Publish("m", temp / "gone", "job-2"), "m@2");
  EXPECT_EQ(LiveOf("m"), "m@1");
  Restart();  // the choice outlives the process
  ASSERT_TRUE(registry->LoadAll().ok());
  EXPECT_EQ(Publish("m", temp / "gone", "job-2"), "m@2");
  EXPECT_EQ(LiveOf("m"), "m@1");
  EXPECT_EQ(registry->Get("m")->aliases.size(), 1u);
  // The choice was among what was there: a new result goes live as ever.
  EXPECT_EQ(Publish("m", Result("r3", "three"), "job-3"), "m@3");
  EXPECT_EQ(LiveOf("m"), "m@3");
}

TEST_F(RegistryTest, AChoiceAfterACrashBeforeTheAliasCountsToo) {
  ASSERT_TRUE(registry->LoadAll().ok());
  Publish("m", Result("r1", "one"), "job-1");
  const std::string before = *ReadFile(temp / "models/m/aliases.json");
  Publish("m", Result("r2", "two"), "job-2");
  // As if the second publish had died right after its rename.
  ASSERT_TRUE(WriteFileAtomically(temp / "models/m/aliases.json", before).ok());
  Restart();
  ASSERT_TRUE(registry->LoadAll().ok());
  // Another alias says nothing about `live`.
  ASSERT_TRUE(registry->SetAlias("m", "canary", "1").ok());
  ASSERT_TRUE(registry->SetAlias("m", "live", "1").ok());
  EXPECT_EQ(Publish("m", temp / "gone", "job-2"), "m@2");
  EXPECT_EQ(LiveOf("m"), "m@1");
}

TEST_F(RegistryTest, AFailedPublishLeavesTheRepositoryAsItWas) {
  ASSERT_TRUE(registry->LoadAll().ok());
  Publish("m", Result("r1", "one"), "job-1");
  const auto before = Tree();
  EXPECT_TRUE(
      absl::IsDataLoss(registry->Publish("m", Result("b", "bad"), "j").status()));
  EXPECT_TRUE(
      absl::IsDataLoss(registry->Publish("new", temp / "b", "j").status()));
  EXPECT_FALSE(registry->Publish("m", temp / "nowhere", "j").ok());
  const std::string corrupt = Result("c", "good");
  WriteText("c/weights", "evil");
  EXPECT_TRUE(absl::IsDataLoss(registry->Publish("m", corrupt, "j").status()));
  EXPECT_TRUE(absl::IsInvalidArgument(
      registry->Publish("block", Result("g", "good"), "j").status()));
  EXPECT_EQ(Tree(), before);
  EXPECT_EQ(LiveOf("m"), "m@1");
  EXPECT_TRUE(absl::IsNotFound(registry->Get("new").status()));
}

TEST_F(RegistryTest, AnAliasThatCannotBeWrittenTakesThePublishBack) {
  ASSERT_TRUE(registry->LoadAll().ok());
  Publish("m", Result("r1", "one"), "job-1");
  // A folder in its place: no rename can replace it, not even root's.
  fs::remove(temp / "models/m/aliases.json");
  fs::create_directories(temp / "models/m/aliases.json/x");
  const auto before = Tree();
  EXPECT_FALSE(registry->Publish("m", Result("r2", "two"), "job-2").ok());
  EXPECT_EQ(Tree(), before);
  EXPECT_EQ(LiveOf("m"), "m@1");
  EXPECT_EQ(registry->Get("m")->versions.size(), 1u);
}

TEST_F(RegistryTest, AliasesAreDurableAndKeepTheVersionLoaded) {
  ASSERT_TRUE(registry->LoadAll().ok());
  Publish("m", Result("r1", "one"), "job-1");
  Publish("m", Result("r2", "two"), "job-2");
  EXPECT_TRUE(registry->Unload("m@1").ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(registry->Resolve("m@1").status()));
  EXPECT_TRUE(registry->SetAlias("m", "live", "1").ok());  // loads it first
  EXPECT_EQ(LiveOf("m"), "m@1");
  EXPECT_TRUE(registry->SetAlias("m", "canary", "2").ok());
  EXPECT_TRUE(absl::IsNotFound(registry->SetAlias("m", "live", "9")));
  EXPECT_TRUE(absl::IsInvalidArgument(registry->SetAlias("m", "live", "x")));
  EXPECT_TRUE(absl::IsInvalidArgument(registry->SetAlias("m", "7", "1")));
  EXPECT_TRUE(absl::IsNotFound(registry->SetAlias("x", "live", "1")));
  EXPECT_TRUE(absl::IsNotFound(registry->SetAlias("../m", "live", "1")));
  Restart();
  ASSERT_TRUE(registry->LoadAll().ok());
  EXPECT_EQ(LiveOf("m"), "m@1");
  EXPECT_EQ(*registry->VersionDir("m@canary"), temp / "models/m/2");
}

TEST_F(RegistryTest, AnAliasDoesNotMoveToWhatCannotBeLoaded) {
  Put("m", 1);
  WriteText("models/m/aliases.json", R"({"live": "1"})");
  Put("m", 2, "bad");
  ASSERT_TRUE(registry->LoadAll().ok());
  EXPECT_TRUE(absl::IsDataLoss(registry->SetAlias("m", "live", "2")));
  EXPECT_EQ(LiveOf("m"), "m@1");
  EXPECT_THAT(*ReadFile(temp / "models/m/aliases.json"), HasSubstr("1"));
}

TEST_F(RegistryTest, UnloadDropsTheWeightsWhenTheLastUserIsGone) {
  ASSERT_TRUE(registry->LoadAll().ok());
  Publish("m", Result("r1", "one"), "job-1");
  Publish("m", Result("r2", "two"), "job-2");
  ASSERT_TRUE(registry->Load("m@1").ok());
  auto pinned = *registry->Resolve("m@1");
  const std::weak_ptr<const LoadedModel> weights = pinned->weights;
  EXPECT_TRUE(absl::IsFailedPrecondition(registry->Unload("m@2")));
  EXPECT_TRUE(registry->Unload("m@1").ok());
  EXPECT_TRUE(registry->Unload("m@1").ok());
  EXPECT_FALSE(weights.expired());
  pinned.reset();
  EXPECT_TRUE(weights.expired());
}

TEST_F(RegistryTest, LoadFindsWhatWasPutThereMeanwhile) {
  ASSERT_TRUE(registry->LoadAll().ok());
  EXPECT_TRUE(absl::IsNotFound(registry->Load("m@1")));
  Put("m", 1);
  EXPECT_TRUE(registry->Load("m@1").ok());
  EXPECT_EQ(LiveOf("m@1"), "m@1");
  EXPECT_EQ(Publish("m", Result("r", "good"), "job"), "m@2");
  EXPECT_TRUE(absl::IsNotFound(registry->Load("../m@1")));
}

}  // namespace
}  // namespace strata
