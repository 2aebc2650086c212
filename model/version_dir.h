#pragma once
// A folder that is either whole or not there: the recipe of every published
// version and every checkpoint. Files are written into `.tmp-*` beside the
// target, each fsynced; MANIFEST.json (sizes and SHA-256) last; then rename,
// then fsync of the parent. A folder without a valid manifest is garbage.
// Thread-compatible: one writer per folder.

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace strata {

struct ManifestFile {
  std::string name;
  int64_t bytes = 0;
  std::string sha256;  // 64 hex digits
};

struct Manifest {
  int format_version = 1;
  std::map<std::string, std::string> attributes;  // e.g. job, step, created
  std::vector<ManifestFile> files;
};

// Writes files into a temporary folder and commits them under `final_path`.
// Destruction without Commit removes the temporary folder.
class DirWriter {
 public:
  // `tag` makes the temporary name unique among writers (fence, process id).
  static absl::StatusOr<DirWriter> Create(const std::string& final_path,
                                          absl::string_view tag);
  DirWriter(DirWriter&& other) noexcept;
  DirWriter& operator=(DirWriter&&) = delete;
  ~DirWriter();

  // Where to write; files written here by others (WriteSafetensors) count.
  const std::string& path() const { return temp_path_; }
  absl::Status WriteFile(absl::string_view name, absl::string_view contents);
  // Copies a file (a hard link where the file system allows it).
  absl::Status AddFile(absl::string_view name, const std::string& source);
  // Hashes every file, writes the manifest, renames. ALREADY_EXISTS when the
  // final path exists; RESOURCE_EXHAUSTED on a full disk.
  absl::Status Commit(std::map<std::string, std::string> attributes);

 private:
  DirWriter(std::string final_path, std::string temp_path);
  std::string final_path_;
  std::string temp_path_;
};

// Reads the manifest; with `verify`, checks every size and SHA-256 (DATA_LOSS).
absl::StatusOr<Manifest> ReadManifest(const std::string& dir, bool verify);

// Deletes the `.tmp-*` files and folders in `parent` that killed writers left;
// returns how many. REQUIRES that nobody writes there.
int RemoveTemporaries(const std::string& parent);

// Takes a folder away in one step, by a rename to `.tmp-*` beside it, then
// deletes it: a kill in between leaves nothing half there. OK also where there
// is none.
absl::Status RemoveFolder(const std::string& path);

absl::StatusOr<std::string> ReadFile(const std::string& path);
// Write to a temporary, fsync, rename, fsync the parent.
absl::Status WriteFileAtomically(const std::string& path,
                                 absl::string_view contents);
std::string Sha256Hex(absl::string_view data);
// 64 hexadecimal digits, lower case.
bool IsSha256Hex(absl::string_view text);
absl::StatusOr<std::string> Sha256HexOfFile(const std::string& path);

}  // namespace strata
