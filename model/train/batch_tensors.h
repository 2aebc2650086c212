#pragma once
// Rows of a Batch as tensors.

#include <torch/torch.h>

#include <cstdint>

#include "model/nn/upload.h"
#include "model/train/row_source.h"

namespace strata {

struct BatchTensors {
  at::Tensor items;     // [rows, sequence] of int64
  at::Tensor segments;  // [rows, sequence] of int64
  at::Tensor trained;   // [rows, sequence] of uint8
  at::Tensor continues;  // [rows] of bool; only where a memory is carried
};

// Rows [begin, end), on `device`. On the CPU the tensors look into `batch`, which must
// outlive them.
inline BatchTensors RowsAsTensors(const Batch& batch, int64_t begin, int64_t end,
                                  const at::Device& device = at::kCPU) {
  const auto view = [&](const void* data, int64_t bytes, at::ScalarType type) {
    const char* start =
        static_cast<const char*>(data) + begin * batch.sequence * bytes;
    // from_blob takes a pointer to data that may change; nobody changes it.
    return ToDevice(at::from_blob(const_cast<char*>(start),
                                  {end - begin, batch.sequence}, at::TensorOptions(type)),
                    device);
  };
  const auto continues = at::from_blob(const_cast<uint8_t*>(batch.continues.data()) + begin,
                                       {end - begin}, at::TensorOptions(at::kByte));
  return {view(batch.items.data(), sizeof(int64_t), at::kLong),
          view(batch.segments.data(), sizeof(int64_t), at::kLong),
          view(batch.trained.data(), sizeof(uint8_t), at::kByte),
          ToDevice(continues != 0, device)};
}

}  // namespace strata
