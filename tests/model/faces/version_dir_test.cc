#include "model/version_dir.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "tests/model/faces/scratch_dir.h"

namespace strata {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class VersionDirTest : public ::testing::Test {
 protected:
  // Writes and commits a version of two files.
  absl::Status Commit(const std::string& path, absl::string_view tag = "1") {
    auto writer = DirWriter::Create(path, tag);
    if (!writer.ok()) return writer.status();
    EXPECT_TRUE(writer->WriteFile("config.json", "{}\n").ok());
    std::ofstream(writer->path() + "/weights") << "not written by WriteFile";
    return writer->Commit({{"job", "7"}, {"step", "100"}});
  }
  int Entries() const {
    return static_cast<int>(std::distance(fs::directory_iterator(dir_.path()),
                                          fs::directory_iterator()));
  }
  ScratchDir dir_;
};

TEST_F(VersionDirTest, WhatWasCommittedVerifies) {
  ASSERT_TRUE(Commit(dir_ / "v").ok());
  const auto manifest = ReadManifest(dir_ / "v", true);
  ASSERT_TRUE(manifest.ok()) << manifest.status();
  EXPECT_EQ(manifest->format_version, 1);
  EXPECT_EQ(manifest->attributes.at("job"), "7");
  ASSERT_EQ(manifest->files.size(), 2u);
  EXPECT_EQ(manifest->files[0].name, "config.json");
  EXPECT_EQ(manifest->files[0].bytes, 3);
  EXPECT_EQ(manifest->files[0].sha256, Sha256Hex("{}\n"));
  EXPECT_EQ(manifest->files[1].name, "weights");
  EXPECT_EQ(Entries(), 1);  // no temporary is left
}

TEST_F(VersionDirTest, NothingIsThereBeforeTheCommit) {
  {
    auto writer = DirWriter::Create(dir_ / "v", "1").value();
    ASSERT_TRUE(writer.WriteFile("a", "x").ok());
    EXPECT_FALSE(fs::exists(dir_ / "v"));
    EXPECT_TRUE(fs::exists(writer.path()));
  }
  EXPECT_EQ(Entries(), 0);
}

TEST_F(VersionDirTest, ASecondCommitIsRefusedAndChangesNothing) {
  ASSERT_TRUE(Commit(dir_ / "v", "1").ok());
  const std::string before = Slurp(dir_ / "v/MANIFEST.json");
  EXPECT_EQ(Commit(dir_ / "v", "2").code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(Slurp(dir_ / "v/MANIFEST.json"), before);
  EXPECT_EQ(Entries(), 1);
}

TEST_F(VersionDirTest, OneWriterCommitsOnce) {
  auto writer = DirWriter::Create(dir_ / "v", "1").value();
  ASSERT_TRUE(writer.Commit({}).ok());
  EXPECT_EQ(writer.Commit({}).code(), absl::StatusCode::kAlreadyExists);
}

TEST_F(VersionDirTest, AnEmptyFolderInTheWayIsNotReplaced) {
  fs::create_directory(dir_ / "v");
  EXPECT_EQ(Commit(dir_ / "v").code(), absl::StatusCode::kAlreadyExists);
  EXPECT_TRUE(fs::is_empty(dir_ / "v"));
}

TEST_F(VersionDirTest, LeftoversAreIgnoredAndSwept) {
  // As a killed writer of the same tag leaves them.
  fs::create_directories(dir_ / ".tmp-v-1/deep");
  dir_.Put(".tmp-v-1/weights", "half");
  dir_.Put(".tmp-v-1/stale", "half");
  fs::create_directory(dir_ / ".tmp-other-9");
  dir_.Put(".tmp-aliases.json-9-0", "half");  // of WriteFileAtomically
  dir_.Put("tmp-mine", "not ours");
  ASSERT_TRUE(Commit(dir_ / "v", "1").ok());
  EXPECT_EQ(ReadManifest(dir_ / "v", true)->files.size(), 2u);
  EXPECT_EQ(RemoveTemporaries(dir_.path()), 2);
  EXPECT_EQ(RemoveTemporaries(dir_.path()), 0);
  EXPECT_TRUE(ReadManifest(dir_ / "v", true).ok());
  EXPECT_EQ(Slurp(dir_ / "tmp-mine"), "not ours");
  EXPECT_EQ(RemoveTemporaries(dir_ / "absent"), 0);
}

TEST_F(VersionDirTest, AFolderIsRemovedWithWhatIsInIt) {
  ASSERT_TRUE(Commit(dir_ / "v", "1").ok());
  fs::create_directories(dir_ / "v/deep/er");
  EXPECT_EQ(RemoveFolder(dir_ / "v/"), absl::OkStatus());
  EXPECT_EQ(Entries(), 0);
  EXPECT_EQ(RemoveFolder(dir_ / "v"), absl::OkStatus());
  EXPECT_EQ(RemoveFolder(dir_ / "absent/v"), absl::OkStatus());
  EXPECT_TRUE(Commit(dir_ / "v", "1").ok());  // the name is free again
}

TEST_F(VersionDirTest, AnyFlippedBitIsDataLoss) {
  ASSERT_TRUE(Commit(dir_ / "v").ok());
  int tried = 0;
  for (const char* name : {"config.json", "weights", "MANIFEST.json"}) {
    const std::string path = absl::StrCat(dir_.path(), "/v/", name);
    const std::string before = Slurp(path);
    for (size_t i = 0; i < before.size(); ++i) {
      // Between the tokens of the manifest no bit matters.
      if (before[i] == ' ' || before[i] == '\n') continue;
      FlipBit(path, i);
      EXPECT_EQ(ReadManifest(dir_ / "v", true).status().code(),
                absl::StatusCode::kDataLoss)
          << name << " byte " << i;
      FlipBit(path, i);
      ++tried;
    }
    ASSERT_EQ(Slurp(path), before);
  }
  EXPECT_GT(tried, 100);
  EXPECT_TRUE(ReadManifest(dir_ / "v", true).ok());
}

TEST_F(VersionDirTest, MissingAndCutFilesAreDataLoss) {
  ASSERT_TRUE(Commit(dir_ / "v").ok());
  fs::resize_file(dir_ / "v/weights", 5);
  EXPECT_TRUE(ReadManifest(dir_ / "v", false).ok());  // not asked to look
  absl::Status status = ReadManifest(dir_ / "v", true).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(status.message()), HasSubstr("weights has 5 bytes"));
  fs::remove(dir_ / "v/weights");
  EXPECT_EQ(ReadManifest(dir_ / "v", true).status().code(),
            absl::StatusCode::kDataLoss);
}

TEST_F(VersionDirTest, NoManifestIsNotFound) {
  fs::create_directory(dir_ / "v");
  EXPECT_EQ(ReadManifest(dir_ / "v", true).status().code(),
            absl::StatusCode::kNotFound);
  EXPECT_EQ(ReadManifest(dir_ / "w", false).status().code(),
            absl::StatusCode::kNotFound);
}

TEST_F(VersionDirTest, ManifestsAreNotTrusted) {
  ASSERT_TRUE(Commit(dir_ / "v").ok());
  const std::string good = Slurp(dir_ / "v/MANIFEST.json");
  for (const auto& [from, to] :
       std::vector<std::pair<std::string, std::string>>{
           {"\"weights\"", "\"../v/weights\""},
           {"\"weights\"", "\"config.json\""},
           {"\"step\": \"100\"", "\"step\": \"101\""},
           {"\"attributes\"", "\"z\": 1, \"attributes\""},
           {"\"bytes\": 3", "\"bytes\": \"3\""}}) {
    dir_.Put("v/MANIFEST.json", absl::StrReplaceAll(good, {{from, to}}));
    EXPECT_EQ(ReadManifest(dir_ / "v", false).status().code(),
              absl::StatusCode::kDataLoss)
        << from << " -> " << to;
  }
  dir_.Put("v/MANIFEST.json",
           absl::StrReplaceAll(good, {{"version\": 1", "version\": 2"}}));
  EXPECT_EQ(ReadManifest(dir_ / "v", false).status().code(),
            absl::StatusCode::kFailedPrecondition);
}

TEST_F(VersionDirTest, AddedFilesAreCopiesInEffect) {
  const std::string source = dir_.Put("source", "weights");
  auto writer = DirWriter::Create(dir_ / "v", "1").value();
  ASSERT_TRUE(writer.AddFile("model", source).ok());
  EXPECT_EQ(writer.AddFile("gone", dir_ / "absent").code(),
            absl::StatusCode::kNotFound);
  ASSERT_TRUE(writer.Commit({}).ok());
  fs::remove(source);
  EXPECT_EQ(Slurp(dir_ / "v/model"), "weights");
  EXPECT_TRUE(ReadManifest(dir_ / "v", true).ok());
}

TEST_F(VersionDirTest, NamesStayInTheFolder) {
  auto writer = DirWriter::Create(dir_ / "v", "1").value();
  for (const char* name : {"", ".", "..", "../x", "a/b", "MANIFEST.json"}) {
    EXPECT_EQ(writer.WriteFile(name, "x").code(),
              absl::StatusCode::kInvalidArgument)
        << name;
  }
  fs::create_directory(writer.path() + "/folder");
  EXPECT_EQ(writer.Commit({}).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_FALSE(DirWriter::Create(dir_ / "v", "../1").ok());
  EXPECT_FALSE(DirWriter::Create(dir_ / "v", "").ok());
}

TEST_F(VersionDirTest, ParentsAreCreatedAndASlashIsForgiven) {
  ASSERT_TRUE(Commit(dir_ / "a/b/v/").ok());
  EXPECT_TRUE(ReadManifest(dir_ / "a/b/v", true).ok());
}

TEST_F(VersionDirTest, WriteFileAtomicallyReplaces) {
  ASSERT_TRUE(WriteFileAtomically(dir_ / "f", "one").ok());
  ASSERT_TRUE(WriteFileAtomically(dir_ / "f", "two").ok());
  EXPECT_EQ(ReadFile(dir_ / "f").value(), "two");
  EXPECT_EQ(Entries(), 1);
  EXPECT_EQ(WriteFileAtomically(dir_ / "no/f", "x").code(),
            absl::StatusCode::kNotFound);
  EXPECT_EQ(ReadFile(dir_ / "absent").status().code(),
            absl::StatusCode::kNotFound);
}

TEST_F(VersionDirTest, Sha256) {
  EXPECT_EQ(Sha256Hex("abc"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  const std::string big(3 << 20, 'x');  // several reads
  EXPECT_EQ(Sha256HexOfFile(dir_.Put("big", big)).value(), Sha256Hex(big));
  EXPECT_EQ(Sha256HexOfFile(dir_ / "absent").status().code(),
            absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace strata
