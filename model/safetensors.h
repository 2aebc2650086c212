#pragma once
// Reader and writer of the safetensors format (8-byte header length, JSON
// header, raw little-endian tensors), as Python's `safetensors` package reads
// it. The reader maps the file and trusts nothing: sizes, offsets, holes,
// overlaps, duplicate names and trailing bytes are DATA_LOSS errors.
// Thread-compatible; tensors point into the mapping and live as long as it.

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace strata {

enum class DType { kF32, kF64, kBF16, kI64, kU8 };
int64_t DTypeBytes(DType dtype);

struct TensorView {
  DType dtype = DType::kF32;
  std::vector<int64_t> shape;
  absl::Span<const uint8_t> data;  // row-major, little-endian

  int64_t elements() const;
};

struct NamedTensor {
  std::string name;
  TensorView tensor;
};

class SafetensorsFile {
 public:
  static absl::StatusOr<std::unique_ptr<SafetensorsFile>> Open(
      const std::string& path);
  virtual ~SafetensorsFile() = default;

  // Sorted by name.
  virtual const std::map<std::string, TensorView>& tensors() const = 0;
  virtual const std::map<std::string, std::string>& metadata() const = 0;
  // NOT_FOUND names the tensor and the file.
  virtual absl::StatusOr<TensorView> Find(absl::string_view name) const = 0;
};

// Writes and fsyncs `path` (not its folder). RESOURCE_EXHAUSTED on a full disk.
absl::Status WriteSafetensors(const std::string& path,
                              absl::Span<const NamedTensor> tensors,
                              const std::map<std::string, std::string>& metadata);

}  // namespace strata
