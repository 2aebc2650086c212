#pragma once
// An array aligned for vector loads whose allocation can fail without an
// exception: decoding state is reserved by admission control, and a machine
// that is out of memory must refuse one stream, not end the process.
// Contents are uninitialised. Movable, not thread-safe.

#include <cstddef>
#include <cstdint>
#include <utility>

#include "model/decode/huge_memory.h"

namespace strata {

template <typename T>
class AlignedBuffer {
 public:
  // More than any machine has; what a sanitizer's allocator would die of.
  static constexpr int64_t kMostBytes = int64_t{1} << 40;

  AlignedBuffer() = default;
  AlignedBuffer(AlignedBuffer&& other) noexcept { *this = std::move(other); }
  AlignedBuffer& operator=(AlignedBuffer&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(capacity_, other.capacity_);
    return *this;
  }
  ~AlignedBuffer() { FreeHuge(data_, capacity_ * sizeof(T)); }

  // Makes room for `count` values, dropping the contents when it must grow.
  // Returns false when memory cannot be had; the buffer is then unchanged.
  [[nodiscard]] bool Reserve(int64_t count) {
    if (count <= capacity_) return true;
    if (count > kMostBytes / static_cast<int64_t>(sizeof(T))) return false;
    void* data = AllocateHuge(count * sizeof(T));
    if (data == nullptr) return false;
    FreeHuge(data_, capacity_ * sizeof(T));
    data_ = static_cast<T*>(data);
    capacity_ = count;
    return true;
  }

  T* data() { return data_; }
  const T* data() const { return data_; }
  int64_t capacity() const { return capacity_; }

 private:
  T* data_ = nullptr;
  int64_t capacity_ = 0;
};

}  // namespace strata
