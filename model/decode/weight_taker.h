#pragma once
// WeightTaker: takes tensors out of a file by name, checking the shape, the type and the
// values of each, and remembers the first error, so that a list of names reads as a list.
// Matrices come packed. It views the file's bytes, which must outlive it.
// Thread-compatible.

#include <cmath>
#include <cstdint>
#include <cstring>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "model/base/status_macros.h"
#include "model/decode/packed_weights.h"
#include "model/decode/weight_panels.h"

namespace strata {

template <typename T>
class WeightTaker {
 public:
  using Shape = std::vector<int64_t>;

  // `type`: of matrices.
  WeightTaker(const std::map<std::string, TensorView>& tensors, WeightType type)
      : tensors_(tensors), type_(type) {}

  std::vector<T> Take(const std::string& name, const Shape& shape) {
    if (!status_.ok()) return {};
    const auto it = tensors_.find(name);
    if (it == tensors_.end()) {
      status_ = absl::InvalidArgumentError(
          absl::StrCat("tensor ", name, " is missing"));
      return {};
    }
    taken_.insert(name);
    status_ = Check(name, it->second, shape);
    if (!status_.ok()) return {};
    std::vector<T> values = it->second.dtype == DType::kF32
                                ? Convert<float>(it->second)
                                : Convert<double>(it->second);
    for (const T v : values) {
      if (!std::isfinite(v)) {
        status_ = absl::DataLossError(
            absl::StrCat("tensor ", name, " holds a value that is not finite"));
        return {};
      }
    }
    bytes_ += static_cast<int64_t>(values.size() * sizeof(T));
    return values;
  }

  // One number.
  void TakeNumber(const std::string& name, T* number) {
    const std::vector<T> values = Take(name, {1});
    if (!values.empty()) *number = values[0];
  }

  // Of training alone: checked and left where it is.
  void Leave(const std::string& name, const Shape& shape) {
    const int64_t bytes = bytes_;
    Take(name, shape);
    bytes_ = bytes;
  }

  // The rows of all `names`, [out, in] each, as one matrix.
  PackedMatrix<T> TakeMatrix(const std::vector<std::string>& names, int64_t out,
                             int64_t in) {
    return TakeMatrixAs(type_, names, out, in);
  }

  PackedMatrix<T> TakeMatrixAs(WeightType type, const std::vector<std::string>& names,
                               int64_t out, int64_t in) {
    const int64_t bytes = bytes_;
    std::vector<T> rows;
    for (const std::string& name : names) {
      std::vector<T> part = Take(name, {out, in});
      rows.insert(rows.end(), part.begin(), part.end());
    }
    if (!status_.ok()) return {};
    const int64_t columns = out * static_cast<int64_t>(names.size());
    bytes_ = bytes + MatrixBytes(type, columns, in, sizeof(T));
    return Pack(rows, columns, in, type);
  }

  absl::Status Finish() const {
    STRATA_RETURN_IF_ERROR(status_);
    for (const auto& [name, tensor] : tensors_) {
      if (taken_.count(name) > 0) continue;
      return absl::InvalidArgumentError(
          absl::StrCat("tensor ", name, " is not of this config"));
    }
    return absl::OkStatus();
  }
  int64_t bytes() const { return bytes_; }

 private:
  static absl::Status Check(const std::string& name, const TensorView& tensor,
                            const Shape& shape) {
    if (tensor.shape != shape) {
      return absl::InvalidArgumentError(absl::StrCat(
          "tensor ", name, " has shape [", absl::StrJoin(tensor.shape, ", "),
          "]; the config asks for [", absl::StrJoin(shape, ", "), "]"));
    }
    if (tensor.dtype != DType::kF32 && tensor.dtype != DType::kF64) {
      return absl::InvalidArgumentError(
          absl::StrCat("tensor ", name, " must be F32 or F64"));
    }
    const int64_t want = tensor.elements() * DTypeBytes(tensor.dtype);
    if (static_cast<int64_t>(tensor.data.size()) != want) {
      return absl::DataLossError(absl::StrCat("tensor ", name, " has ",
                                              tensor.data.size(), " bytes; its "
                                              "shape needs ", want));
    }
    return absl::OkStatus();
  }

  template <typename S>
  static std::vector<T> Convert(const TensorView& tensor) {
    const int64_t n = tensor.elements();
    std::vector<T> values(n);
    for (int64_t i = 0; i < n; ++i) {
      S value;  // the file promises no alignment
      std::memcpy(&value, tensor.data.data() + i * sizeof(S), sizeof(S));
      values[i] = static_cast<T>(value);
    }
    return values;
  }

  PackedMatrix<T> Pack(const std::vector<T>& rows, int64_t out, int64_t in,
                       WeightType type) {
    PackedMatrix<T> packed;
    packed.out = out;
    packed.in = in;
    packed.type = type;
    if (!packed.data.Reserve(packed.panels() * packed.panel_bytes())) {
      status_ = absl::ResourceExhaustedError("no memory for the weights");
      return {};
    }
    PackPanels(rows.data(), out, in, type, packed.data.data());
    return packed;
  }

  const std::map<std::string, TensorView>& tensors_;
  const WeightType type_;
  absl::Status status_;
  std::set<std::string> taken_;
  int64_t bytes_ = 0;
};

}  // namespace strata
