#include "server/jobs/dataset_store.h"

#include <sys/resource.h>

#include <filesystem>
#include <fstream>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/version_dir.h"
#include "server/engine/error_reason.h"
#include "tests/testing/temp_dir.h"

namespace strata {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

constexpr char kGood[] =
    "{\"prompt\": \"a\", \"completion\": \"b\"}\n"
    "{\"prompt\": \"c\", \"completion\": \"d\"}\n";
constexpr char kBad[] =
    "{\"prompt\": \"a\", \"completion\": \"b\"}\n"
    "{\"prompt\": \"a\"}\n";

class DatasetStoreTest : public ::testing::Test {
 protected:
  absl::StatusOr<StoredDataset> Upload(absl::string_view data,
                                       DatasetReport* errors = nullptr,
                                       size_t chunk = 10) {
    auto upload = store.StartUpload();
    if (!upload.ok()) return upload.status();
    for (size_t at = 0; at < data.size(); at += chunk) {
      const absl::Status status = (*upload)->Append(data.substr(at, chunk));
      if (!status.ok()) return status;
    }
    return (*upload)->Finish(errors);
  }
  // Everything under the root.
  int Entries() {
    int n = 0;
    for (const auto& e : fs::recursive_directory_iterator(dir / "datasets")) {
      static_cast<void>(e);
      ++n;
    }
    return n;
  }

  TempDir dir;
  DatasetStore store{dir / "datasets", 1000};
};

TEST_F(DatasetStoreTest, TheNameIsTheHashOfTheBytes) {
  const auto stored = Upload(kGood);
  ASSERT_TRUE(stored.ok()) << stored.status();
  EXPECT_EQ(stored->sha256, Sha256Hex(kGood));
  EXPECT_EQ(ReadFile(stored->path).value_or(""), kGood);
  EXPECT_EQ(stored->report.documents, 2);
  EXPECT_EQ(stored->report.kind, TemplateKind::kCompletion);

  DatasetStore reopened(dir / "datasets", 1000);
  const auto found = reopened.Get(stored->sha256);
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_EQ(found->path, stored->path);
  EXPECT_EQ(found->report.trained_items, stored->report.trained_items);
  EXPECT_EQ(found->report.bytes, static_cast<int64_t>(sizeof(kGood) - 1));
}

TEST_F(DatasetStoreTest, AReportOfAnOlderVersionIsRead) {
  const auto stored = Upload(kGood);
  ASSERT_TRUE(stored.ok());
  EXPECT_GT(stored->report.fitting_items, 0);
  std::ofstream(stored->path.substr(0, stored->path.rfind('/')) + "/report.json")
      << R"({"kind": "completion", "bytes": 1, "lines": 2, "documents": 3,)"
      << R"( "items": 4, "trained_items": 5})";
  const auto found = store.Get(stored->sha256);
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_EQ(found->report.documents, 3);
  EXPECT_EQ(found->report.fitting_items, 0);
}

TEST_F(DatasetStoreTest, TheSameBytesAreStoredOnce) {
  ASSERT_TRUE(Upload(kGood).ok());
  const int entries = Entries();
  const auto again = Upload(kGood, nullptr, 3);
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(again->sha256, Sha256Hex(kGood));
  EXPECT_EQ(Entries(), entries);
}

TEST_F(DatasetStoreTest, UploadingAgainMendsADamagedDataset) {
  const auto stored = Upload(kGood);
  ASSERT_TRUE(stored.ok());
  const std::string report = stored->path.substr(0, stored->path.rfind('/')) +
                             "/report.json";
  const auto damages = {
      +[](const std::string& data, const std::string&) {
        std::ofstream(data) << std::string(sizeof(kGood) - 1, 'x');
      },
      +[](const std::string& data, const std::string&) {
        fs::resize_file(data, 3);
      },
      +[](const std::string& data, const std::string&) { fs::remove(data); },
      +[](const std::string&, const std::string& report) {
        std::ofstream(report) << "{";
      },
      +[](const std::string&, const std::string& report) { fs::remove(report); },
  };
  for (const auto& damage : damages) {
    damage(stored->path, report);
    const auto again = Upload(kGood);
    ASSERT_TRUE(again.ok()) << again.status();
    EXPECT_EQ(again->sha256, stored->sha256);
    EXPECT_EQ(again->report.documents, 2);
    EXPECT_EQ(ReadFile(stored->path).value_or(""), kGood);
    EXPECT_EQ(Entries(), 3);  // the folder, data, report.json
  }
}

TEST_F(DatasetStoreTest, UploadsAtTheSameTimeAgree) {
  std::vector<std::thread> threads;
  std::vector<std::string> names(8);
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&, i] {
      const auto stored = Upload(kGood);
      if (stored.ok()) names[i] = stored->sha256;
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const std::string& name : names) EXPECT_EQ(name, Sha256Hex(kGood));
  EXPECT_EQ(Entries(), 3);  // the folder, data, report.json
}

TEST_F(DatasetStoreTest, ABadDatasetIsRefusedWithItsPlaceAndNothingIsKept) {
  DatasetReport errors;
  const auto refused = Upload(kBad, &errors);
  EXPECT_TRUE(absl::IsInvalidArgument(refused.status()));
  EXPECT_EQ(ReasonOf(refused.status()), "DATASET_INVALID");
  EXPECT_THAT(std::string(refused.status().message()), HasSubstr("line 2"));
  ASSERT_EQ(errors.error_count, 1);
  EXPECT_EQ(errors.errors[0].line, 2);
  EXPECT_EQ(Entries(), 0);
  EXPECT_TRUE(absl::IsNotFound(store.Get(Sha256Hex(kBad)).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(Upload("").status()));
  EXPECT_EQ(Entries(), 0);
}

TEST_F(DatasetStoreTest, ATooLargeDatasetIsRefusedAndNothingIsKept) {
  const auto refused = Upload(std::string(1001, 'a'));
  EXPECT_TRUE(absl::IsResourceExhausted(refused.status()));
  EXPECT_EQ(ReasonOf(refused.status()), "DATASET_TOO_LARGE");
  EXPECT_EQ(Entries(), 0);
  EXPECT_TRUE(Upload(std::string(1000, 'a')).ok());
}

// A limit on the size of files stands for a full disk.
TEST_F(DatasetStoreTest, AFullDiskIsToldAndNothingIsKept) {
  struct rlimit old;
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &old), 0);
  signal(SIGXFSZ, SIG_IGN);
  struct rlimit small = old;
  small.rlim_cur = 100;
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  const auto refused = Upload(std::string(500, 'a'));
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &old), 0);
  EXPECT_TRUE(absl::IsResourceExhausted(refused.status())) << refused.status();
  EXPECT_EQ(ReasonOf(refused.status()), "STORAGE_FULL");
  EXPECT_EQ(Entries(), 0);
}

TEST_F(DatasetStoreTest, AnUploadThatIsDroppedLeavesNothing) {
  {
    auto upload = store.StartUpload();
    ASSERT_TRUE(upload.ok());
    ASSERT_TRUE((*upload)->Append("half of").ok());
    EXPECT_GT(Entries(), 0);
  }
  EXPECT_EQ(Entries(), 0);
}

TEST_F(DatasetStoreTest, WhatAKilledUploadLeftIsRemoved) {
  ASSERT_TRUE(Upload(kGood).ok());
  const std::string left = dir / "datasets/.tmp-upload-1-2";
  fs::create_directories(left);
  std::ofstream(left + "/data") << "half of";
  DatasetStore reopened(dir / "datasets", 1000);
  EXPECT_FALSE(fs::exists(left));
  EXPECT_TRUE(reopened.Get(Sha256Hex(kGood)).ok());
}

TEST_F(DatasetStoreTest, OnlyHashesAreLookedUp) {
  for (const std::string& name :
       {std::string(), std::string(".."), std::string("../datasets"),
        std::string(64, 'A'), std::string(64, 'a') + "/",
        std::string(64, 'a')}) {
    EXPECT_TRUE(absl::IsNotFound(store.Get(name).status())) << name;
  }
}

}  // namespace
}  // namespace strata
