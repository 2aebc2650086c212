#include "model/decode/version_files.h"

#include <new>

#include "absl/strings/str_cat.h"
#include "model/base/status_macros.h"
#include "model/version_dir.h"

namespace strata {
namespace {

absl::StatusOr<VersionFiles> OpenVersion(const std::string& dir) {
  STRATA_RETURN_IF_ERROR(ReadManifest(dir, /*verify=*/true).status());
  STRATA_ASSIGN_OR_RETURN(const std::string json,
                          ReadFile(dir + "/config.json"));
  VersionFiles files;
  STRATA_ASSIGN_OR_RETURN(files.config, ParseModelConfig(json));
  STRATA_RETURN_IF_ERROR(ValidateModelConfig(files.config));
  STRATA_ASSIGN_OR_RETURN(files.weights,
                          SafetensorsFile::Open(dir + "/model.safetensors"));
  return files;
}

absl::StatusOr<std::shared_ptr<const LoadedModel>> Load(
    const std::string& dir, const ModelMaker& make) {
  STRATA_ASSIGN_OR_RETURN(const VersionFiles files, OpenVersion(dir));
  return make(files);
}

}  // namespace

absl::StatusOr<std::shared_ptr<const LoadedModel>> LoadVersion(
    const std::string& version_dir, const ModelMaker& make) {
  absl::StatusOr<std::shared_ptr<const LoadedModel>> model;
  try {
    model = Load(version_dir, make);
  } catch (const std::bad_alloc&) {  // tables built while packing
    return absl::ResourceExhaustedError(
        absl::StrCat(version_dir, ": no memory for the weights"));
  }
  if (model.ok()) return model;
  return absl::Status(
      model.status().code(),
      absl::StrCat(version_dir, ": ", model.status().message()));
}

}  // namespace strata
