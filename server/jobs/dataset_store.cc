#include "server/jobs/dataset_store.h"

#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "model/base/status_macros.h"
#include "model/file_io.h"
#include "model/json_object.h"
#include "model/version_dir.h"
#include "server/engine/error_reason.h"

namespace strata {
namespace {

namespace fs = std::filesystem;

std::string ReportToJson(const DatasetReport& report) {
  nlohmann::ordered_json json = {
      {"kind", std::string(TemplateKindName(report.kind))},
      {"bytes", report.bytes},
      {"lines", report.lines},
      {"documents", report.documents},
      {"items", report.items},
      {"trained_items", report.trained_items},
      {"fitting_items", report.fitting_items}};
  if (!report.labels.empty()) json["labels"] = report.labels;
  return json.dump(2) + "\n";
}

absl::StatusOr<DatasetReport> ParseReport(absl::string_view text) {
  STRATA_ASSIGN_OR_RETURN(JsonObject object,
                          JsonObject::Parse(text, "report.json"));
  DatasetReport report;
  std::string kind;
  object.Get("kind", &kind);
  object.Get("bytes", &report.bytes);
  object.Get("lines", &report.lines);
  object.Get("documents", &report.documents);
  object.Get("items", &report.items);
  object.Get("trained_items", &report.trained_items);
  if (object.Has("fitting_items")) {  // absent in what older versions wrote
    object.Get("fitting_items", &report.fitting_items);
  }
  if (object.Has("labels")) object.Get("labels", &report.labels);
  STRATA_RETURN_IF_ERROR(object.Finish());
  STRATA_ASSIGN_OR_RETURN(report.kind, ParseTemplateKind(kind));
  return report;
}

absl::Status NameFullDisk(const absl::Status& status) {
  return absl::IsResourceExhausted(status) ? WithReason(status, "STORAGE_FULL")
                                           : status;
}

absl::StatusOr<StoredDataset> ReadStored(const std::string& root,
                                         absl::string_view sha256) {
  const std::string dir = absl::StrCat(root, "/", sha256);
  STRATA_ASSIGN_OR_RETURN(const std::string text,
                          ReadFile(dir + "/report.json"));
  StoredDataset dataset;
  dataset.sha256 = std::string(sha256);
  dataset.path = dir + "/data";
  STRATA_ASSIGN_OR_RETURN(dataset.report, ParseReport(text));
  return dataset;
}

// Whether the dataset is there, with the bytes that its name promises.
bool IsWhole(const std::string& root, const std::string& sha256) {
  const auto stored = ReadStored(root, sha256);
  if (!stored.ok()) return false;
  const auto found = Sha256HexOfFile(stored->path);
  return found.ok() && *found == sha256;
}

absl::Status Rename(const std::string& from, const std::string& to) {
  return std::rename(from.c_str(), to.c_str()) == 0
             ? absl::OkStatus()
             : ErrnoStatus(errno, "rename to", to);
}

class FileUpload final : public DatasetStore::Upload {
 public:
  FileUpload(std::string root, std::string temp, FileSink sink,
             int64_t max_bytes)
      : root_(std::move(root)),
        temp_(std::move(temp)),
        sink_(std::move(sink)),
        max_bytes_(max_bytes) {}

  ~FileUpload() override { Drop(); }

  absl::Status Append(absl::string_view data) override {
    if (!sink_.has_value()) {
      return absl::FailedPreconditionError("the upload is over");
    }
    if (static_cast<int64_t>(data.size()) > max_bytes_ - bytes_) {
      Drop();
      return WithReason(
          absl::ResourceExhaustedError(absl::StrCat(
              "the dataset is larger than ", max_bytes_, " bytes")),
          "DATASET_TOO_LARGE");
    }
    bytes_ += static_cast<int64_t>(data.size());
    const absl::Status status = sink_->Append(data);
    if (!status.ok()) Drop();
    return NameFullDisk(status);
  }

  absl::StatusOr<StoredDataset> Finish(DatasetReport* errors) override {
    if (!sink_.has_value()) {
      return absl::FailedPreconditionError("the upload is over");
    }
    auto stored = Commit(errors);
    Drop();
    if (!stored.ok()) return NameFullDisk(stored.status());
    return stored;
  }

 private:
  absl::StatusOr<StoredDataset> Commit(DatasetReport* errors) {
    STRATA_RETURN_IF_ERROR(sink_->Finish());
    const std::string data = temp_ + "/data";
    STRATA_ASSIGN_OR_RETURN(DatasetReport report, ValidateDataset(data));
    if (report.error_count > 0) {
      const std::string message = DatasetErrorMessage(report);
      if (errors != nullptr) *errors = std::move(report);
      return WithReason(absl::InvalidArgumentError(message), "DATASET_INVALID");
    }
    STRATA_ASSIGN_OR_RETURN(const std::string sha256, Sha256HexOfFile(data));
    if (!IsWhole(root_, sha256)) {
      STRATA_RETURN_IF_ERROR(
          WriteFileAtomically(temp_ + "/report.json", ReportToJson(report)));
      STRATA_RETURN_IF_ERROR(Publish(sha256));
    }
    return ReadStored(root_, sha256);
  }

  absl::Status Publish(const std::string& sha256) {
    STRATA_RETURN_IF_ERROR(SyncPath(temp_));
    const std::string target = absl::StrCat(root_, "/", sha256);
    const absl::Status renamed = Rename(temp_, target);
    if (absl::IsAlreadyExists(renamed)) {
      // Another upload of the same bytes has just come first, or what is there
      // was damaged. File by file: who reads the old one keeps it.
      for (const char* file : {"/data", "/report.json"}) {
        STRATA_RETURN_IF_ERROR(Rename(temp_ + file, target + file));
      }
      STRATA_RETURN_IF_ERROR(SyncPath(target));
    } else {
      STRATA_RETURN_IF_ERROR(renamed);
    }
    return SyncPath(root_);
  }

  // Also after a rename: the temporary name is never used again.
  void Drop() {
    sink_.reset();
    std::error_code ignored;
    fs::remove_all(temp_, ignored);
  }

  const std::string root_;
  const std::string temp_;
  std::optional<FileSink> sink_;
  const int64_t max_bytes_;
  int64_t bytes_ = 0;
};

}  // namespace

DatasetStore::DatasetStore(std::string root, int64_t max_bytes)
    : root_(std::move(root)), max_bytes_(max_bytes) {
  std::error_code ignored;  // StartUpload will tell
  fs::create_directories(root_, ignored);
  RemoveTemporaries(root_);  // uploads that an earlier process left
}

absl::StatusOr<std::unique_ptr<DatasetStore::Upload>>
DatasetStore::StartUpload() {
  static std::atomic<int64_t> counter{0};
  const std::string temp = absl::StrCat(root_, "/.tmp-upload-", getpid(), "-",
                                        counter.fetch_add(1));
  std::error_code error;
  fs::create_directories(temp, error);
  if (error) {
    return NameFullDisk(ErrnoStatus(error.value(), "create folder", temp));
  }
  auto sink = FileSink::Create(temp + "/data");
  if (!sink.ok()) {
    fs::remove_all(temp, error);
    return NameFullDisk(sink.status());
  }
  return std::unique_ptr<Upload>(
      new FileUpload(root_, temp, *std::move(sink), max_bytes_));
}

absl::StatusOr<StoredDataset> DatasetStore::Get(
    absl::string_view sha256) const {
  if (!IsSha256Hex(sha256)) {
    return absl::NotFoundError(absl::StrCat(
        "there is no dataset \"", sha256, "\"; a name is 64 hex digits"));
  }
  auto dataset = ReadStored(root_, sha256);
  if (absl::IsNotFound(dataset.status())) {
    return absl::NotFoundError(absl::StrCat("there is no dataset ", sha256));
  }
  return dataset;
}

}  // namespace strata
