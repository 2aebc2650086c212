#pragma once
// Where exceptions end: LibTorch reports errors by throwing, the rest of Strata
// by absl::Status. TorchGuard runs a function and turns what it throws into a
// status: memory that cannot be had is RESOURCE_EXHAUSTED, anything else
// INTERNAL with the first line of the message. Thread-safe.
//
//   absl::StatusOr<at::Tensor> y = TorchGuard([&] { return model->forward(x); });
//   absl::Status status = TorchGuard([&] { loss.backward(); });
//
// The function may itself return a Status or a StatusOr.

#include <exception>
#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace strata {

absl::Status StatusFromException(const std::exception& error);

namespace torch_guard_internal {
template <typename T>
struct Result {
  using Type = absl::StatusOr<T>;
};
template <>
struct Result<void> {
  using Type = absl::Status;
};
template <>
struct Result<absl::Status> {
  using Type = absl::Status;
};
template <typename T>
struct Result<absl::StatusOr<T>> {
  using Type = absl::StatusOr<T>;
};
}  // namespace torch_guard_internal

template <typename F>
auto TorchGuard(F&& function) ->
    typename torch_guard_internal::Result<std::invoke_result_t<F>>::Type {
  try {
    if constexpr (std::is_void_v<std::invoke_result_t<F>>) {
      std::forward<F>(function)();
      return absl::OkStatus();
    } else {
      return std::forward<F>(function)();
    }
  } catch (const std::exception& error) {
    return StatusFromException(error);
  }
}

}  // namespace strata
