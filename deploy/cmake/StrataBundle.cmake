# Runs at install time: copies the shared libraries that `programs` load, those
# that they load later by name (`loaded_later`), and theirs, into lib/ of the
# bundle.

# glibc belongs to the machine that the bundle runs on: its loader and its
# libraries are one.
set(glibc "^(ld-linux.*|libc|libm|libmvec|libpthread|libdl|librt|libresolv|libutil|libanl|libnss_.*)\\.so")

file(GET_RUNTIME_DEPENDENCIES
  EXECUTABLES ${programs}
  LIBRARIES ${loaded_later}
  RESOLVED_DEPENDENCIES_VAR found
  UNRESOLVED_DEPENDENCIES_VAR missing
  CONFLICTING_DEPENDENCIES_PREFIX conflict
  PRE_EXCLUDE_REGEXES "${glibc}")
if(missing)
  message(FATAL_ERROR "The bundle lacks ${missing}")
endif()
# One library found by two ways, as where /lib is a link to /usr/lib, is no
# conflict; two libraries of one name are.
foreach(name ${conflict_FILENAMES})
  set(real)
  foreach(path ${conflict_${name}})
    get_filename_component(path ${path} REALPATH)
    list(APPEND real ${path})
  endforeach()
  list(REMOVE_DUPLICATES real)
  list(LENGTH real ways)
  if(ways GREATER 1)
    message(FATAL_ERROR "Two libraries of one name: ${real}")
  endif()
  list(APPEND found ${real})
endforeach()

list(APPEND found ${loaded_later})
list(REMOVE_DUPLICATES found)

set(lib ${CMAKE_INSTALL_PREFIX}/lib)
foreach(library ${found})
  # Under the name that is asked for, as a file of its own.
  get_filename_component(name ${library} NAME)
  get_filename_component(real ${library} REALPATH)
  get_filename_component(real_name ${real} NAME)
  file(INSTALL DESTINATION ${lib} TYPE FILE FILES ${real} RENAME ${name})
endforeach()
list(LENGTH found count)
message(STATUS "Bundled ${count} libraries in ${lib}")
