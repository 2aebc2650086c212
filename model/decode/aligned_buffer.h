#pragma once
// An array aligned for vector loads whose allocation can fail without an
// exception: decoding state is reserved by admission control, and a machine
// that is out of memory must refuse one stream, not end the process.
// Contents are uninitialised. Movable, not thread-safe.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>

namespace strata {

template <typename T>
class AlignedBuffer {
 public:
  static constexpr size_t kAlignment = 64;
  // More than any machine has; what a sanitizer's allocator would die of.
  static constexpr int64_t kMostBytes = int64_t{1} << 40;

  // Makes room for `count` values, dropping the contents when it must grow.
  // Returns false when memory cannot be had; the buffer is then unchanged.
  [[nodiscard]] bool Reserve(int64_t count) {
    if (count <= capacity_) return true;
    if (count > kMostBytes / static_cast<int64_t>(sizeof(T))) return false;
    const size_t bytes = (count * sizeof(T) + kAlignment - 1) / kAlignment *
                         kAlignment;
    T* data = static_cast<T*>(std::aligned_alloc(kAlignment, bytes));
    if (data == nullptr) return false;
    data_.reset(data);
    capacity_ = count;
    return true;
  }

  T* data() { return data_.get(); }
  const T* data() const { return data_.get(); }
  int64_t capacity() const { return capacity_; }

 private:
  struct Free {
    void operator()(T* p) const { std::free(p); }
  };
  std::unique_ptr<T, Free> data_;
  int64_t capacity_ = 0;
};

}  // namespace strata
