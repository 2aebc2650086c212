#include "server/registry/repository.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "model/base/log.h"
#include "model/base/status_macros.h"
#include "model/presets.h"
#include "model/version_dir.h"
#include "server/registry/registry.h"

namespace strata {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

constexpr char kAliasFile[] = "/aliases.json";
constexpr char kJobAttribute[] = "job";
// In the alias file beside the aliases; no alias has such a name.
constexpr char kLiveChosenFrom[] = "@live-chosen-from";

std::vector<std::string> Subfolders(const std::string& dir) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator it(dir, error), end; !error && it != end;
       it.increment(error)) {
    std::error_code ignored;
    if (!it->is_directory(ignored)) continue;
    names.push_back(it->path().filename().string());
  }
  return names;
}

absl::Status BadAliases(const std::string& model_dir, absl::string_view what) {
  return absl::DataLossError(absl::StrCat(model_dir, kAliasFile, ": ", what));
}

}  // namespace

std::optional<int64_t> ParseVersionNumber(absl::string_view text) {
  int64_t number = 0;
  if (text.size() > 18 || !absl::SimpleAtoi(text, &number) || number < 1 ||
      absl::StrCat(number) != text) {
    return std::nullopt;
  }
  return number;
}

absl::Status ValidateAliasName(absl::string_view alias) {
  const auto good = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
  };
  if (!alias.empty() && alias.size() <= 63 && alias[0] >= 'a' &&
      alias[0] <= 'z' && std::all_of(alias.begin(), alias.end(), good)) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "alias is \"", alias, "\"; must match [a-z][a-z0-9_-]{0,62}"));
}

absl::StatusOr<std::vector<std::string>> ListModelDirs(
    const std::string& root) {
  std::error_code error;
  if (!fs::is_directory(root, error)) {
    return absl::NotFoundError(absl::StrCat(root, " is no folder"));
  }
  std::vector<std::string> names;
  for (std::string& name : Subfolders(root)) {
    if (name[0] == '.' || name == "lost+found") continue;
    const absl::Status valid = ValidateModelName(name);
    if (valid.ok()) {
      names.push_back(std::move(name));
    } else {
      Log(Severity::kWarning, "folder of the repository is skipped",
          {{"folder", name}, {"error", valid.message()}});
    }
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::vector<VersionOnDisk> ListVersions(const std::string& model_dir) {
  std::vector<VersionOnDisk> versions;
  for (const std::string& name : Subfolders(model_dir)) {
    const std::optional<int64_t> number = ParseVersionNumber(name);
    if (!number.has_value()) continue;
    VersionOnDisk version{*number};
    const absl::StatusOr<Manifest> manifest =
        ReadManifest(absl::StrCat(model_dir, "/", name), /*verify=*/false);
    version.status = manifest.status();
    if (manifest.ok()) {
      const auto job = manifest->attributes.find(kJobAttribute);
      if (job != manifest->attributes.end()) version.job = job->second;
    }
    versions.push_back(std::move(version));
  }
  std::sort(versions.begin(), versions.end(),
            [](const auto& a, const auto& b) { return a.number < b.number; });
  return versions;
}

absl::StatusOr<AliasFile> ReadAliases(
    const std::string& model_dir, const std::vector<VersionOnDisk>& versions) {
  AliasFile file;
  const absl::StatusOr<std::string> text =
      ReadFile(absl::StrCat(model_dir, kAliasFile));
  if (absl::IsNotFound(text.status())) {
    for (const VersionOnDisk& version : versions) {
      if (!version.status.ok()) continue;
      file.aliases[kLiveAlias] = absl::StrCat(version.number);
    }
    return file;
  }
  STRATA_RETURN_IF_ERROR(text.status());
  const Json json = Json::parse(*text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return BadAliases(model_dir, "is no JSON object");
  for (const auto& [alias, version] : json.items()) {
    const bool chosen_from = alias == kLiveChosenFrom;
    const std::optional<int64_t> number =
        version.is_string()
            ? ParseVersionNumber(version.get_ref<const std::string&>())
            : std::nullopt;
    if (!number.has_value() ||
        !(chosen_from || ValidateAliasName(alias).ok())) {
      return BadAliases(model_dir, absl::StrCat("\"", alias,
                                                "\" must name a version"));
    }
    if (chosen_from) {
      file.live_chosen_from = *number;
    } else {
      file.aliases[alias] = version.get<std::string>();
    }
  }
  return file;
}

absl::Status WriteAliases(const std::string& model_dir, const AliasFile& file) {
  Json json(file.aliases);
  if (file.live_chosen_from > 0) {
    json[kLiveChosenFrom] = absl::StrCat(file.live_chosen_from);
  }
  return WriteFileAtomically(absl::StrCat(model_dir, kAliasFile),
                             json.dump(2) + "\n");
}

absl::StatusOr<TemplateKind> ReadTemplate(const std::string& version_dir) {
  const absl::StatusOr<std::string> text =
      ReadFile(absl::StrCat(version_dir, "/template.json"));
  if (absl::IsNotFound(text.status())) return TemplateKind::kText;
  STRATA_RETURN_IF_ERROR(text.status());
  return ParseTemplateJson(*text);
}

absl::Status InstallVersion(const std::string& source,
                            const std::string& target,
                            absl::string_view job) {
  STRATA_ASSIGN_OR_RETURN(Manifest manifest,
                          ReadManifest(source, /*verify=*/true));
  STRATA_ASSIGN_OR_RETURN(
      DirWriter writer,
      DirWriter::Create(target, absl::StrCat("publish-", getpid())));
  for (const ManifestFile& file : manifest.files) {
    STRATA_RETURN_IF_ERROR(
        writer.AddFile(file.name, absl::StrCat(source, "/", file.name)));
  }
  manifest.attributes[kJobAttribute] = std::string(job);
  return writer.Commit(std::move(manifest.attributes));
}

}  // namespace strata
