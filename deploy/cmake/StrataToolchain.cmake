# Warnings, ccache, compilers at a time, linker and sanitizers for every target of the project.
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()
set(CMAKE_CXX_FLAGS_RELEASE "-O2")  # asserts stay on: they guard invariants

find_program(STRATA_CCACHE ccache)
if(STRATA_CCACHE)
  # Relative paths let every checkout share the cache; the precompiled header
  # needs the two sloppiness flags.
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env
      CCACHE_BASEDIR=${CMAKE_SOURCE_DIR}
      CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
      ${STRATA_CCACHE})
endif()

# A torch or gRPC file takes up to 1.5 GB to compile: no more at a time than there
# is memory for, whatever the number of cores.
cmake_host_system_information(RESULT available_mb QUERY AVAILABLE_PHYSICAL_MEMORY)
math(EXPR compilers "${available_mb} / 1500")
if(compilers LESS 1)
  set(compilers 1)
endif()
set_property(GLOBAL PROPERTY JOB_POOLS strata_compilers=${compilers})
set(CMAKE_JOB_POOL_COMPILE strata_compilers)
set(CMAKE_JOB_POOL_PRECOMPILE_HEADER strata_compilers)

# Files of a target are compiled eight together: a compiler spends most of its time on
# LibTorch's, gRPC's and Abseil's headers, and what a header instantiates it then
# instantiates once. A cold build takes a third of the time. Off, as in the preset dev,
# every file is compiled alone: with what it includes itself, and as tools like it that
# read a compilation database.
set(CMAKE_UNITY_BUILD ON CACHE BOOL "Compile files of a target together")
set(CMAKE_UNITY_BUILD_BATCH_SIZE 8)

find_program(STRATA_LLD ld.lld)
if(STRATA_LLD)
  add_link_options(-fuse-ld=lld)
endif()

if(STRATA_SANITIZE)
  # Lines of a report need no more than -g1.
  add_compile_options(-fsanitize=${STRATA_SANITIZE} -fno-omit-frame-pointer -g1)
  add_link_options(-fsanitize=${STRATA_SANITIZE})
endif()

add_library(strata_warnings INTERFACE)
target_compile_options(strata_warnings INTERFACE
  -Wall -Wextra -Werror=return-type -Wno-unused-parameter -Wno-missing-field-initializers)
