# Functions, so that every CMakeLists.txt reads as a list of names, sources
# and dependencies.
#
#   strata_library(NAME SOURCES a.cc … DEPS strata_base absl::status …)
#   strata_test(NAME SOURCES a_test.cc … DEPS strata_engine … LABELS unit
#               [TORCH] [TIMEOUT seconds] [SKIPPABLE Suite.Case …] [WITHOUT Suite*]
#               [THREADS Suite.Case*|none])
#   strata_run_again(NAME BINARY strata_decode_test LABELS long [TIMEOUT seconds]
#               [ONLY Suite*] [ENVIRONMENT NAME=value])
#
# One test binary is one ctest entry: a torch-linked process takes 0.3 s to start. What
# runs it again is a strata_run_again: cases that the entry goes WITHOUT, or the same ones
# in another environment, mostly for longer. A binary of long tests alone is built where
# STRATA_LONG_TESTS is on. THREADS: the cases that start threads, where not all may;
# ThreadSanitizer, which has nothing to see in the others, runs these alone.
# SKIPPABLE cases, which GTEST_SKIP where the machine lacks what they need, are
# entries of their own (NAME.Suite.Case): there ctest says "Skipped", where beside
# other cases it would say "Passed".
include_guard()

option(STRATA_LONG_TESTS "Build the binaries of long tests too" OFF)

function(strata_library name)
  cmake_parse_arguments(ARG "TORCH" "" "SOURCES;DEPS" ${ARGN})
  add_library(${name} STATIC ${ARG_SOURCES})
  target_include_directories(${name} PUBLIC ${CMAKE_SOURCE_DIR} ${CMAKE_BINARY_DIR})
  target_link_libraries(${name} PUBLIC ${ARG_DEPS} PRIVATE strata_warnings)
  if(ARG_TORCH)
    strata_use_torch(${name})
  endif()
endfunction()

# A filter that fits no case is a mistake.
function(strata_describe_entries entries labels timeout environment)
  set_tests_properties(${entries} PROPERTIES LABELS "${labels}" TIMEOUT ${timeout}
    FAIL_REGULAR_EXPRESSION "Running 0 tests"
    ENVIRONMENT "STRATA_SHARED_DATA=${STRATA_SHARED_DATA};${environment}")
endfunction()

function(strata_test name)
  cmake_parse_arguments(ARG "TORCH" "TIMEOUT;WITHOUT;THREADS" "SOURCES;DEPS;LABELS;SKIPPABLE" ${ARGN})
  set(watched OFF)
  if(STRATA_SANITIZE STREQUAL "thread" AND ARG_THREADS)
    set(watched ON)
  endif()
  if(watched AND ARG_THREADS STREQUAL "none")
    return()
  endif()
  add_executable(${name} ${ARG_SOURCES})
  if("long" IN_LIST ARG_LABELS AND NOT STRATA_LONG_TESTS)
    set_target_properties(${name} PROPERTIES EXCLUDE_FROM_ALL ON)
  endif()
  target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR} ${CMAKE_BINARY_DIR})
  target_link_libraries(${name} PRIVATE ${ARG_DEPS} GTest::gmock GTest::gtest_main strata_warnings)
  if(ARG_TORCH)
    strata_use_torch(${name})
  endif()
  set(rest "")
  if(ARG_SKIPPABLE OR ARG_WITHOUT)
    list(JOIN ARG_SKIPPABLE ":" skippable)
    set(rest --gtest_filter=-${skippable}:${ARG_WITHOUT})
  endif()
  if(watched)
    set(rest --gtest_filter=${ARG_THREADS})
  endif()
  add_test(NAME ${name} COMMAND ${name} ${rest} WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  set(entries ${name})
  foreach(case ${ARG_SKIPPABLE})
    add_test(NAME ${name}.${case} COMMAND ${name} --gtest_filter=${case}
      WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
    set_tests_properties(${name}.${case} PROPERTIES
      SKIP_REGULAR_EXPRESSION "\\[  SKIPPED \\]")
    list(APPEND entries ${name}.${case})
  endforeach()
  if(NOT ARG_LABELS)
    set(ARG_LABELS unit)
  endif()
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 300)
  endif()
  strata_describe_entries("${entries}" "${ARG_LABELS}" ${ARG_TIMEOUT} "")
endfunction()

function(strata_run_again name)
  cmake_parse_arguments(ARG "" "BINARY;TIMEOUT;ONLY" "LABELS;ENVIRONMENT" ${ARGN})
  set(only "")
  if(ARG_ONLY)
    set(only --gtest_filter=${ARG_ONLY})
  endif()
  add_test(NAME ${name} COMMAND ${ARG_BINARY} ${only} WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 3600)
  endif()
  strata_describe_entries(${name} "${ARG_LABELS}" ${ARG_TIMEOUT} "${ARG_ENVIRONMENT}")
endfunction()

# Text for tests and benchmarks that is not in the repository; cases that need it
# are SKIPPABLE.
set(STRATA_SHARED_DATA ${CMAKE_SOURCE_DIR}/../shared/data CACHE PATH
    "Folder of the text that long tests train on")

# Compiles a target against LibTorch with the one precompiled header. Its files call
# tensor operations and have no hot loops of their own (those have files and flags of
# their own, without the header), and with -O2 the inline functions of LibTorch's headers
# take half as long again to compile.
set(STRATA_TORCH_OPTIONS $<$<CONFIG:Release>:-O1>)
function(strata_use_torch name)
  target_link_libraries(${name} PRIVATE strata::torch)
  if(NOT TARGET strata_torch_pch)
    add_library(strata_torch_pch OBJECT ${CMAKE_SOURCE_DIR}/model/nn/torch_pch.cc)
    target_include_directories(strata_torch_pch PRIVATE ${CMAKE_SOURCE_DIR} ${CMAKE_BINARY_DIR})
    target_link_libraries(strata_torch_pch PRIVATE strata::torch strata_warnings)
    target_compile_options(strata_torch_pch PRIVATE ${STRATA_TORCH_OPTIONS})
    target_precompile_headers(strata_torch_pch PRIVATE <torch/torch.h>)
  endif()
  get_target_property(type ${name} TYPE)
  if(type STREQUAL EXECUTABLE)  # by default -fPIE, for which the header is invalid
    target_compile_options(${name} PRIVATE -fPIC)
  endif()
  target_compile_options(${name} PRIVATE ${STRATA_TORCH_OPTIONS})
  target_precompile_headers(${name} REUSE_FROM strata_torch_pch)
endfunction()
