# cmake --install: the bundle. bin/ holds the programs; lib/ every shared library
# that they need but glibc's, found by a run path relative to bin/. It runs on
# any distribution with the same glibc or a newer one. LibTorch's CUDA half is
# part of it with -DSTRATA_BUNDLE_CUDA=ON (after deploy/install_deps.sh --cuda).
#
#   cmake --install build/release --prefix DIR [--strip]
include_guard()

option(STRATA_BUNDLE_CUDA "Bundle LibTorch's CUDA half: 2.8 GB more" OFF)

set(strata_programs strata-server strata)
foreach(program ${strata_programs})
  # DT_RPATH and not DT_RUNPATH: it holds for the libraries' own libraries too,
  # and Debian's have no path of their own.
  target_link_options(${program} PRIVATE -Wl,--disable-new-dtags)
  # NVRTC opens a library of its own folder by name, and has no path either.
  set_target_properties(${program} PROPERTIES
    BUILD_RPATH ${Torch_ROOT}/../nvidia/cu13/lib
    INSTALL_RPATH "$ORIGIN/../lib")
endforeach()

install(TARGETS ${strata_programs} RUNTIME DESTINATION bin)
install(DIRECTORY ${CMAKE_SOURCE_DIR}/proto/strata DESTINATION share/strata/proto
  FILES_MATCHING PATTERN "*.proto")

set(strata_built_programs)
foreach(program ${strata_programs})
  list(APPEND strata_built_programs $<TARGET_FILE:${program}>)
endforeach()

# What is loaded by name, so that no program shows it: LibTorch's CUDA half, the
# parts of cuDNN, and NVRTC; and the plug-ins for tokenisers and for CUDA graphs.
set(strata_loaded_later $<TARGET_FILE:strata_sentencepiece>)
if(TARGET strata_cuda)
  list(APPEND strata_loaded_later $<TARGET_FILE:strata_cuda>)
endif()
if(STRATA_BUNDLE_CUDA)
  set(nvidia ${Torch_ROOT}/../nvidia)
  foreach(wanted ${Torch_ROOT}/lib/libtorch_cuda.so
          ${nvidia}/cudnn/lib/libcudnn_*.so.* ${nvidia}/cu13/lib/libnvrtc.so.*
          ${nvidia}/cu13/lib/libnvrtc-builtins.so.*)
    file(GLOB files ${wanted})
    if(NOT files)
      message(FATAL_ERROR "STRATA_BUNDLE_CUDA: there is no ${wanted}: "
                          "run deploy/install_deps.sh --cuda")
    endif()
    list(APPEND strata_loaded_later ${files})
  endforeach()
endif()

install(CODE "
  set(programs \"${strata_built_programs}\")
  set(loaded_later \"${strata_loaded_later}\")
  include(\"${CMAKE_CURRENT_LIST_DIR}/StrataBundle.cmake\")
")
