#pragma once
// What, besides the spec and the data, decides the bits of a result: threads,
// instruction set, versions. Stored in every checkpoint; a run that resumes
// somewhere else goes on, and says that it is no longer bit-exact.

#include <string>

#include "absl/strings/string_view.h"
#include "model/trainer.h"

namespace strata {

// Sets the thread count of LibTorch and what else a training process needs:
// deterministic kernels, and an allocator that keeps its memory (glibc would
// return every large buffer to the kernel and fault it in again at the next
// step: up to half of the time of a step on some machines). Process-wide; the
// trainer is alone in its process. Before LibTorch's CUDA half is loaded, which reads
// there what it may take of a GPU that streams use, too.
void ConfigureTrainingProcess(const TrainRun& run);

// One JSON object, keys in a fixed order. After ConfigureTrainingProcess. `device`: that of
// the weights, as TrainRun names it; of a GPU the kind counts, not the number, and kernels
// are not all deterministic.
std::string EnvironmentJson(const std::string& device);

// "threads: 2 -> 1, cpu: …", or empty where nothing differs.
std::string EnvironmentDifference(absl::string_view before,
                                  absl::string_view after);

}  // namespace strata
