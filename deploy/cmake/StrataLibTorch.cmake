# strata::torch: LibTorch as an imported target of our own. Its TorchConfig.cmake
# insists on a CUDA toolkit; the CPU needs two libraries and a folder of headers.
include_guard()

if(NOT Torch_ROOT)
  if(DEFINED ENV{STRATA_CACHE})
    set(strata_cache $ENV{STRATA_CACHE})
  elseif(DEFINED ENV{XDG_CACHE_HOME})
    set(strata_cache $ENV{XDG_CACHE_HOME}/strata)
  else()
    set(strata_cache $ENV{HOME}/.cache/strata)
  endif()
  set(Torch_ROOT ${strata_cache}/libtorch-2.11.0/torch)
endif()
if(NOT EXISTS ${Torch_ROOT}/lib/libtorch_cpu.so)
  message(FATAL_ERROR "No LibTorch at ${Torch_ROOT}: run deploy/install_deps.sh, "
                      "or pass -DTorch_ROOT=DIR (2.11 or newer).")
endif()
message(STATUS "LibTorch: ${Torch_ROOT}")

add_library(strata_torch_c10 SHARED IMPORTED)
set_target_properties(strata_torch_c10 PROPERTIES IMPORTED_LOCATION ${Torch_ROOT}/lib/libc10.so)
add_library(strata_torch_cpu SHARED IMPORTED)
set_target_properties(strata_torch_cpu PROPERTIES IMPORTED_LOCATION ${Torch_ROOT}/lib/libtorch_cpu.so)
add_library(strata_torch INTERFACE)
target_include_directories(strata_torch SYSTEM INTERFACE
  ${Torch_ROOT}/include ${Torch_ROOT}/include/torch/csrc/api/include)
target_link_libraries(strata_torch INTERFACE
  -Wl,--no-as-needed strata_torch_cpu strata_torch_c10 -Wl,--as-needed)
add_library(strata::torch ALIAS strata_torch)
