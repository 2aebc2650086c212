#pragma once
// The folders of a job's checkpoints, JOB/checkpoints/step-N, whatever they hold: each
// whole or garbage by its manifest (model/version_dir.h). Torch-free.
// Thread-compatible: the attempt that holds the job writes alone.

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "model/version_dir.h"

namespace strata {

// Where they lie. Makes the folder, and removes what a dead writer left in it.
absl::StatusOr<std::string> OpenStepFolders(const std::string& job_dir);

std::string StepFolder(const std::string& root, int64_t step);

// Steps of the folders there are, newest first; not verified.
std::vector<int64_t> StepFolders(const std::string& root);

// Fails early instead of filling the disk of others to the brim: RESOURCE_EXHAUSTED.
absl::Status CheckSpace(const std::string& folder, int64_t expected);

int64_t FolderBytes(const Manifest& manifest);

}  // namespace strata
