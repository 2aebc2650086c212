#include "model/decode/load_model.h"

#include <new>

#include "absl/strings/str_cat.h"
#include "model/base/status_macros.h"
#include "model/decode/cpu_model.h"
#include "model/model_config.h"
#include "model/safetensors.h"
#include "model/version_dir.h"

namespace strata {
namespace {

absl::StatusOr<std::shared_ptr<const LoadedModel>> Load(
    const std::string& dir) {
  STRATA_RETURN_IF_ERROR(ReadManifest(dir, /*verify=*/true).status());
  STRATA_ASSIGN_OR_RETURN(const std::string json,
                          ReadFile(dir + "/config.json"));
  STRATA_ASSIGN_OR_RETURN(const ModelConfig config, ParseModelConfig(json));
  STRATA_RETURN_IF_ERROR(ValidateModelConfig(config));
  STRATA_ASSIGN_OR_RETURN(const auto file,
                          SafetensorsFile::Open(dir + "/model.safetensors"));
  STRATA_ASSIGN_OR_RETURN(std::shared_ptr<const LoadedModel> model,
                          CpuModel<float>::Create(config, file->tensors()));
  return model;
}

}  // namespace

absl::StatusOr<std::shared_ptr<const LoadedModel>> LoadCpuModel(
    const std::string& version_dir) {
  absl::StatusOr<std::shared_ptr<const LoadedModel>> model;
  try {
    model = Load(version_dir);
  } catch (const std::bad_alloc&) {  // the tables built while packing
    return absl::ResourceExhaustedError(
        absl::StrCat(version_dir, ": no memory for the weights"));
  }
  if (model.ok()) return model;
  return absl::Status(model.status().code(),
                      absl::StrCat(version_dir, ": ",
                                   model.status().message()));
}

}  // namespace strata
