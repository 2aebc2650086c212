# cmake --install: the bundle. bin/ holds the programs; lib/ every shared library
# that they need but glibc's, found by a run path relative to bin/. It runs on
# any distribution with the same glibc or a newer one; LibTorch's CUDA half is
# not part of it.
#
#   cmake --install build/release --prefix DIR [--strip]
include_guard()

set(strata_programs strata-server strata)
foreach(program ${strata_programs})
  # DT_RPATH and not DT_RUNPATH: it holds for the libraries' own libraries too,
  # and Debian's have no path of their own.
  target_link_options(${program} PRIVATE -Wl,--disable-new-dtags)
  set_target_properties(${program} PROPERTIES INSTALL_RPATH "$ORIGIN/../lib")
endforeach()

install(TARGETS ${strata_programs} RUNTIME DESTINATION bin)
install(DIRECTORY ${CMAKE_SOURCE_DIR}/proto/strata DESTINATION share/strata/proto
  FILES_MATCHING PATTERN "*.proto")

set(strata_built_programs)
foreach(program ${strata_programs})
  list(APPEND strata_built_programs $<TARGET_FILE:${program}>)
endforeach()
install(CODE "
  set(programs \"${strata_built_programs}\")
  include(\"${CMAKE_CURRENT_LIST_DIR}/StrataBundle.cmake\")
")
