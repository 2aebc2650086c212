#include "model/sentencepiece_plugin.h"

#include <dlfcn.h>

#include <filesystem>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "model/base/plugin_path.h"

namespace strata {
namespace {

absl::Status CannotOpen(const std::string& path, absl::string_view why) {
  return absl::FailedPreconditionError(absl::StrCat(
      "needs ", path, ", which cannot be opened: ", why));
}

absl::StatusOr<const StrataSentencePieceApi*> Open() {
  const std::string path = PluginPath("strata_sentencepiece");
  if (std::error_code error; !std::filesystem::exists(path, error)) {
    return CannotOpen(path, "there is no such file");
  }
  // Its symbols bind to its own protobuf, and ours never to it.
  void* const opened = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND);
  if (opened == nullptr) return CannotOpen(path, dlerror());
  void* const symbol = dlsym(opened, STRATA_SENTENCEPIECE_SYMBOL);
  if (symbol == nullptr) return CannotOpen(path, "it is of another version");
  using Entry = const StrataSentencePieceApi* (*)();
  return reinterpret_cast<Entry>(symbol)();
}

}  // namespace

absl::StatusOr<const StrataSentencePieceApi*> SentencePiecePlugin() {
  static const auto* const plugin =
      new absl::StatusOr<const StrataSentencePieceApi*>(Open());
  return *plugin;
}

}  // namespace strata
