#pragma once
// What suites of devices run on: what STRATA_TEST_DEVICE names, as LibTorch does ("cuda:0" on
// a GPU host), or `otherwise`.

#include <torch/torch.h>

#include <cstdlib>
#include <string>

#include "model/base/log.h"
#include "model/nn/devices.h"

namespace strata::testing {

inline std::string TestDeviceName(const char* otherwise) {
  const char* const named = std::getenv("STRATA_TEST_DEVICE");
  return named != nullptr ? named : otherwise;
}

inline torch::Device TestDevice() {
  const std::string name = TestDeviceName("cpu");
  if (name.rfind("cuda", 0) == 0) STRATA_CHECK(OpenCudaDevice(name).ok());
  return torch::Device(name);
}

}  // namespace strata::testing
