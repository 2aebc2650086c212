#include "model/train/tensor_file.h"

#include <cstdint>
#include <memory>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "model/base/status_macros.h"
#include "model/hierarchy/weights.h"
#include "model/safetensors.h"

namespace strata {
namespace {

// Without data: those may lie on a device.
absl::StatusOr<TensorView> Describe(const NamedParameter& p) {
  const at::Tensor& t = p.tensor;
  TensorView view;
  if (t.scalar_type() == at::kFloat) {
    view.dtype = DType::kF32;
  } else if (t.scalar_type() == at::kDouble) {
    view.dtype = DType::kF64;
  } else {
    return absl::InternalError(absl::StrCat(p.name, " has no dtype we write"));
  }
  view.shape.assign(t.sizes().begin(), t.sizes().end());
  return view;
}

}  // namespace

absl::Status WriteTensors(const std::string& path,
                          const std::vector<NamedParameter>& tensors,
                          const std::map<std::string, std::string>& metadata) {
  std::vector<std::pair<std::string, at::Tensor>> named;
  for (const NamedParameter& p : tensors) {
    STRATA_RETURN_IF_ERROR(Describe(p).status());
    named.emplace_back(p.name, p.tensor);
  }
  STRATA_ASSIGN_OR_RETURN(const NamedTensors on_host, ToNamedTensors(named));
  return WriteSafetensors(path, on_host.views, metadata);
}

absl::Status ReadTensorsInto(const std::string& path,
                             const std::vector<NamedParameter>& tensors) {
  STRATA_ASSIGN_OR_RETURN(std::unique_ptr<SafetensorsFile> file,
                          SafetensorsFile::Open(path));
  if (file->tensors().size() != tensors.size()) {
    return absl::DataLossError(
        absl::StrCat(path, " holds ", file->tensors().size(), " tensors, not ",
                     tensors.size()));
  }
  for (const NamedParameter& p : tensors) {
    STRATA_ASSIGN_OR_RETURN(const TensorView want, Describe(p));
    const auto found = file->Find(p.name);
    if (!found.ok() || found->dtype != want.dtype ||
        found->shape != want.shape) {
      return absl::DataLossError(absl::StrCat(
          path, ": ", p.name, " is missing or has another shape or type"));
    }
    // from_blob takes a pointer to data that may change; nobody changes it.
    const auto read = at::from_blob(const_cast<uint8_t*>(found->data.data()),
                                    p.tensor.sizes(), p.tensor.scalar_type());
    p.tensor.detach().copy_(read);
  }
  return absl::OkStatus();
}

}  // namespace strata
