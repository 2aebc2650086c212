#pragma once
// The model repository as it lies on disk (layout: server/registry/registry.h).
// Reading forgives: what is no model or version is skipped or described as
// broken, never guessed at. Thread-compatible: functions of the file system.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "model/chat_template.h"

namespace strata {

using Aliases = std::map<std::string, std::string>;  // alias -> version

// The contents of aliases.json.
struct AliasFile {
  Aliases aliases;
  // Whoever moved `live` last knew of the versions up to this one, and chose
  // among them; 0: nobody did yet.
  int64_t live_chosen_from = 0;
};

struct VersionOnDisk {
  int64_t number = 0;
  absl::Status status;  // not OK: the manifest cannot be read
  std::string job;      // from the manifest's attribute "job"
};

// "3", not "03", "0" or "x".
std::optional<int64_t> ParseVersionNumber(absl::string_view text);

// [a-z][a-z0-9_-]{0,62}
absl::Status ValidateAliasName(absl::string_view alias);

// A copy with a body of its own. Copies of a status share one counted body, and
// packaged Abseil counts without telling ThreadSanitizer: what stays behind a
// lock is not shared with what is returned.
inline absl::Status Unshared(const absl::Status& status) {
  return absl::Status(status.code(), status.message());
}

// Model folders of the repository, sorted; temporary and foreign ones left out.
absl::StatusOr<std::vector<std::string>> ListModelDirs(const std::string& root);

// Ascending; empty where the folder is not there.
std::vector<VersionOnDisk> ListVersions(const std::string& model_dir);

// Without a file: the highest sound version is live. DATA_LOSS: not as written.
absl::StatusOr<AliasFile> ReadAliases(
    const std::string& model_dir, const std::vector<VersionOnDisk>& versions);
absl::Status WriteAliases(const std::string& model_dir, const AliasFile& file);

// A version without a template is one of plain text.
absl::StatusOr<TemplateKind> ReadTemplate(const std::string& version_dir);

// Puts the files of `source` (a version folder) under `target`, whole or not at
// all, with the manifest attribute `job`. Hard links where the file system
// allows it, copies elsewhere; `source` stays.
absl::Status InstallVersion(const std::string& source,
                            const std::string& target, absl::string_view job);

}  // namespace strata
