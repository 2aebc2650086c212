#include "model/train/tensor_file.h"

#include <cstdint>
#include <cstring>
#include <memory>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "model/base/status_macros.h"
#include "model/safetensors.h"

namespace strata {
namespace {

absl::StatusOr<TensorView> View(const NamedParameter& p) {
  const at::Tensor& t = p.tensor;
  TensorView view;
  if (t.scalar_type() == at::kFloat) {
    view.dtype = DType::kF32;
  } else if (t.scalar_type() == at::kDouble) {
    view.dtype = DType::kF64;
  } else {
    return absl::InternalError(absl::StrCat(p.name, " has no dtype we write"));
  }
  if (!t.is_cpu() || !t.is_contiguous()) {
    return absl::InternalError(absl::StrCat(p.name, " is not in host memory"));
  }
  view.shape.assign(t.sizes().begin(), t.sizes().end());
  view.data = absl::MakeConstSpan(
      static_cast<const uint8_t*>(t.const_data_ptr()), t.nbytes());
  return view;
}

}  // namespace

absl::Status WriteTensors(const std::string& path,
                          const std::vector<NamedParameter>& tensors,
                          const std::map<std::string, std::string>& metadata) {
  std::vector<NamedTensor> views;
  views.reserve(tensors.size());
  for (const NamedParameter& p : tensors) {
    STRATA_ASSIGN_OR_RETURN(TensorView view, View(p));
    views.push_back({p.name, view});
  }
  return WriteSafetensors(path, views, metadata);
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
    STRATA_ASSIGN_OR_RETURN(const TensorView want, View(p));
    const auto found = file->Find(p.name);
    if (!found.ok() || found->dtype != want.dtype ||
        found->shape != want.shape) {
      return absl::DataLossError(absl::StrCat(
          path, ": ", p.name, " is missing or has another shape or type"));
    }
    std::memcpy(p.tensor.mutable_data_ptr(), found->data.data(),
                found->data.size());
  }
  return absl::OkStatus();
}

}  // namespace strata
