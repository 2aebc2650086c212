#include "model/decode/version_files.h"

#include <future>
#include <new>
#include <system_error>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "model/base/status_macros.h"
#include "model/stack_depth.h"
#include "model/version_dir.h"

namespace strata {
namespace {

// The exits' thresholds give way to one that nobody is above.
void ShutExits(std::map<std::string, TensorView>* tensors) {
  static constexpr float kShut = kNoExit;
  for (auto& [name, tensor] : *tensors) {
    if (!absl::EndsWith(name, "exit.threshold") || tensor.dtype != DType::kF32) continue;
    tensor.data = {reinterpret_cast<const uint8_t*>(&kShut), sizeof(kShut)};
  }
}

absl::StatusOr<VersionFiles> OpenVersion(const std::string& dir) {
  STRATA_ASSIGN_OR_RETURN(const std::string json,
                          ReadFile(dir + "/config.json"));
  VersionFiles files;
  STRATA_ASSIGN_OR_RETURN(files.config, ParseModelConfig(json));
  STRATA_RETURN_IF_ERROR(ValidateModelConfig(files.config));
  STRATA_ASSIGN_OR_RETURN(files.weights,
                          SafetensorsFile::Open(dir + "/model.safetensors"));
  files.tensors = files.weights->tensors();
  return files;
}

absl::StatusOr<std::shared_ptr<const LoadedModel>> MakeModel(
    const std::string& dir, const ModelMaker& make, bool early_exit) {
  STRATA_ASSIGN_OR_RETURN(VersionFiles files, OpenVersion(dir));
  if (!early_exit) ShutExits(&files.tensors);
  return make(files);
}

// Checksums take as long as packing, so both are done at once; what was made of damaged
// files, or why nothing could be, is not told then.
absl::StatusOr<std::shared_ptr<const LoadedModel>> Load(
    const std::string& dir, const ModelMaker& make, bool early_exit) {
  std::future<absl::Status> verified = std::async(std::launch::async, [&dir] {
    return ReadManifest(dir, /*verify=*/true).status();
  });
  auto model = MakeModel(dir, make, early_exit);
  STRATA_RETURN_IF_ERROR(verified.get());
  return model;
}

}  // namespace

absl::StatusOr<std::shared_ptr<const LoadedModel>> LoadVersion(
    const std::string& version_dir, const ModelMaker& make, bool early_exit) {
  absl::StatusOr<std::shared_ptr<const LoadedModel>> model;
  try {
    model = Load(version_dir, make, early_exit);
  } catch (const std::bad_alloc&) {  // tables built while packing
    return absl::ResourceExhaustedError(
        absl::StrCat(version_dir, ": no memory for the weights"));
  } catch (const std::system_error& error) {
    return absl::ResourceExhaustedError(
        absl::StrCat(version_dir, ": no thread to check it with: ", error.what()));
  }
  if (model.ok()) return model;
  return absl::Status(
      model.status().code(),
      absl::StrCat(version_dir, ": ", model.status().message()));
}

}  // namespace strata
