#include "model/train/step_folders.h"

#include <algorithm>
#include <filesystem>
#include <functional>
#include <system_error>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace strata {
namespace {

namespace fs = std::filesystem;

constexpr char kPrefix[] = "step-";

}  // namespace

absl::StatusOr<std::string> OpenStepFolders(const std::string& job_dir) {
  const std::string root = absl::StrCat(job_dir, "/checkpoints");
  std::error_code error;
  fs::create_directories(root, error);
  if (error) {
    return absl::InternalError(
        absl::StrCat("cannot create ", root, ": ", error.message()));
  }
  RemoveTemporaries(root);
  return root;
}

std::string StepFolder(const std::string& root, int64_t step) {
  return absl::StrCat(root, "/", kPrefix, step);
}

std::vector<int64_t> StepFolders(const std::string& root) {
  std::vector<int64_t> steps;
  std::error_code error;
  for (fs::directory_iterator it(root, error), end; !error && it != end;
       it.increment(error)) {
    const std::string name = it->path().filename().string();
    int64_t step = 0;
    if (absl::StartsWith(name, kPrefix) &&
        absl::SimpleAtoi(absl::string_view(name).substr(sizeof(kPrefix) - 1),
                         &step)) {
      steps.push_back(step);
    }
  }
  std::sort(steps.begin(), steps.end(), std::greater<int64_t>());
  return steps;
}

absl::Status CheckSpace(const std::string& folder, int64_t expected) {
  std::error_code error;
  const fs::space_info space = fs::space(folder, error);
  if (error) return absl::OkStatus();  // the write itself will tell
  const double needed = 1.2 * static_cast<double>(expected);
  if (static_cast<double>(space.available) >= needed) return absl::OkStatus();
  return absl::ResourceExhaustedError(
      absl::StrCat("no space for a checkpoint: ", space.available,
                   " bytes free, ", static_cast<int64_t>(needed), " wanted"));
}

int64_t FolderBytes(const Manifest& manifest) {
  int64_t bytes = 0;
  for (const ManifestFile& file : manifest.files) bytes += file.bytes;
  return bytes;
}

}  // namespace strata
