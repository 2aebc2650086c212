#include "model/decode/tensor/cuda_recorder.h"

#include <dlfcn.h>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "model/base/plugin_path.h"
#include "model/base/status_macros.h"
#include "model/nn/torch_guard.h"

namespace strata {
namespace {

using NewRecorder = Recorder* (*)();

absl::StatusOr<NewRecorder> Open() {
  void* const opened =
      dlopen(PluginPath("strata_cuda").c_str(), RTLD_NOW | RTLD_LOCAL);
  void* const symbol =
      opened == nullptr ? nullptr : dlsym(opened, STRATA_CUDA_RECORDER_SYMBOL);
  if (symbol != nullptr) return reinterpret_cast<NewRecorder>(symbol);
  return absl::UnavailableError(absl::StrCat("no CUDA graphs: ", dlerror()));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Recorder>> NewCudaRecorder() {
  static const auto* const plugin = new absl::StatusOr<NewRecorder>(Open());
  STRATA_ASSIGN_OR_RETURN(const NewRecorder make, *plugin);
  return TorchGuard([make] { return std::unique_ptr<Recorder>(make()); });
}

}  // namespace strata
