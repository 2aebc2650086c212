#pragma once
// The model of a benchmark's row. One of two files is linked: bench_model_cpu.cc, the
// CPU's executor, or bench_model_device.cc, LibTorch's on a device.

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "model/generator.h"

namespace strata {

// Of a version folder. `options`: what the row's name says behind the preset.
absl::StatusOr<std::shared_ptr<const LoadedModel>> LoadBenchModel(
    const std::string& version_dir, const std::vector<std::string>& options);

}  // namespace strata
