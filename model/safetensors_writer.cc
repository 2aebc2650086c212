#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/str_cat.h"
#include "model/base/status_macros.h"
#include "model/file_io.h"
#include "model/safetensors.h"
#include "model/safetensors_dtype.h"

namespace strata {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kAlignment = 64;  // of the data: a cache line, a full vector

constexpr struct {
  DType dtype;
  const char* name;
  int64_t bytes;
} kDTypes[] = {{DType::kF32, "F32", 4},
               {DType::kF64, "F64", 8},
               {DType::kBF16, "BF16", 2},
               {DType::kI64, "I64", 8},
               {DType::kU8, "U8", 1}};

absl::Status CheckTensor(const NamedTensor& named) {
  const TensorView& tensor = named.tensor;
  const bool reserved = named.name.empty() || named.name == "__metadata__";
  int64_t bytes = DTypeBytes(tensor.dtype);
  for (const int64_t size : tensor.shape) {
    if (size < 0 || __builtin_mul_overflow(bytes, size, &bytes)) bytes = -1;
    if (bytes < 0) break;
  }
  if (!reserved && bytes == static_cast<int64_t>(tensor.data.size())) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      absl::StrCat("tensor \"", named.name, "\" of ", tensor.data.size(),
                   " bytes: the name or the shape does not fit"));
}

// Wide elements first, so that every tensor is aligned to its element without
// padding, which the format does not allow.
absl::StatusOr<std::vector<const NamedTensor*>> InFileOrder(
    absl::Span<const NamedTensor> tensors) {
  std::vector<const NamedTensor*> order;
  for (const NamedTensor& tensor : tensors) {
    STRATA_RETURN_IF_ERROR(CheckTensor(tensor));
    order.push_back(&tensor);
  }
  const auto by_name = [](const NamedTensor* a, const NamedTensor* b) {
    return a->name < b->name;
  };
  std::sort(order.begin(), order.end(), by_name);
  const auto twin = std::adjacent_find(
      order.begin(), order.end(),
      [](const auto* a, const auto* b) { return a->name == b->name; });
  if (twin != order.end()) {
    return absl::InvalidArgumentError(
        absl::StrCat("two tensors named \"", (*twin)->name, "\""));
  }
  std::stable_sort(order.begin(), order.end(), [](const auto* a, const auto* b) {
    return DTypeBytes(a->tensor.dtype) > DTypeBytes(b->tensor.dtype);
  });
  return order;
}

std::string Header(const std::vector<const NamedTensor*>& tensors,
                   const std::map<std::string, std::string>& metadata) {
  Json json = Json::object();
  if (!metadata.empty()) json["__metadata__"] = Json(metadata);
  int64_t offset = 0;
  for (const NamedTensor* named : tensors) {
    const int64_t end = offset + static_cast<int64_t>(named->tensor.data.size());
    Json entry;
    entry["dtype"] = std::string(DTypeName(named->tensor.dtype));
    entry["shape"] = named->tensor.shape;
    entry["data_offsets"] = {offset, end};
    json[named->name] = std::move(entry);
    offset = end;
  }
  std::string text = json.dump(-1, ' ', false, Json::error_handler_t::replace);
  while ((8 + text.size()) % kAlignment != 0) text.push_back(' ');
  std::string length;
  for (int i = 0; i < 8; ++i) {
    length.push_back(static_cast<char>((text.size() >> (8 * i)) & 0xFF));
  }
  return length + text;
}

}  // namespace

int64_t DTypeBytes(DType dtype) {
  for (const auto& entry : kDTypes) {
    if (entry.dtype == dtype) return entry.bytes;
  }
  return 0;
}

absl::string_view DTypeName(DType dtype) {
  for (const auto& entry : kDTypes) {
    if (entry.dtype == dtype) return entry.name;
  }
  return "";
}

bool ParseDType(absl::string_view name, DType* dtype) {
  for (const auto& entry : kDTypes) {
    if (name != entry.name) continue;
    *dtype = entry.dtype;
    return true;
  }
  return false;
}

absl::Status WriteSafetensors(const std::string& path,
                              absl::Span<const NamedTensor> tensors,
                              const std::map<std::string, std::string>& metadata) {
  STRATA_ASSIGN_OR_RETURN(const auto order, InFileOrder(tensors));
  STRATA_ASSIGN_OR_RETURN(FileSink sink, FileSink::Create(path));
  STRATA_RETURN_IF_ERROR(sink.Append(Header(order, metadata)));
  for (const NamedTensor* named : order) {
    const absl::Span<const uint8_t> data = named->tensor.data;
    STRATA_RETURN_IF_ERROR(sink.Append(absl::string_view(
        reinterpret_cast<const char*>(data.data()), data.size())));
  }
  return sink.Finish();
}

}  // namespace strata
