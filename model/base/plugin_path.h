#pragma once
// Where the project's own plug-ins lie: lib/ beside the folder of the running program, in
// the build folder as in a bundle. Thread-safe.

#include <string>

#include "absl/strings/string_view.h"

namespace strata {

// Of libNAME.so; it need not be there.
std::string PluginPath(absl::string_view name);

}  // namespace strata
