#include "model/base/plugin_path.h"

#include <filesystem>
#include <system_error>

#include "absl/strings/str_cat.h"

namespace strata {

std::string PluginPath(absl::string_view name) {
  std::error_code error;
  const auto program = std::filesystem::read_symlink("/proc/self/exe", error);
  return (program.parent_path().parent_path() / "lib" / absl::StrCat("lib", name, ".so"))
      .string();
}

}  // namespace strata
