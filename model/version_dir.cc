#include "model/version_dir.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "model/base/status_macros.h"
#include "model/file_io.h"
#include "model/manifest.h"

namespace strata {
namespace {

namespace fs = std::filesystem;

constexpr char kTempPrefix[] = ".tmp-";

std::string WithoutSlash(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  return path;
}

// The regular files of a folder, sorted; anything else in it is an error.
absl::StatusOr<std::vector<std::string>> FilesOf(const std::string& dir) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator it(dir, error), end; !error && it != end;
       it.increment(error)) {
    const std::string name = it->path().filename().string();
    if (!fs::is_regular_file(it->symlink_status())) {
      return absl::InvalidArgumentError(
          absl::StrCat(dir, ": ", name, " is not a regular file"));
    }
    if (name != kManifestName) names.push_back(name);
  }
  if (error) return ErrnoStatus(error.value(), "list", dir);
  std::sort(names.begin(), names.end());
  return names;
}

absl::StatusOr<ManifestFile> Describe(const std::string& dir,
                                      const std::string& name) {
  const std::string path = absl::StrCat(dir, "/", name);
  struct stat info;
  if (stat(path.c_str(), &info) != 0) return ErrnoStatus(errno, "stat", path);
  STRATA_ASSIGN_OR_RETURN(std::string sha256, Sha256HexOfFile(path));
  return ManifestFile{name, info.st_size, std::move(sha256)};
}

// rename(2) replaces an empty folder in silence; this does not.
absl::Status RenameNew(const std::string& from, const std::string& to) {
  if (renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(),
                RENAME_NOREPLACE) == 0) {
    return absl::OkStatus();
  }
  // Network file systems may not know the flag.
  if (errno == EINVAL || errno == ENOSYS) {
    struct stat info;
    if (lstat(to.c_str(), &info) == 0) {
      return ErrnoStatus(EEXIST, "rename to", to);
    }
    if (rename(from.c_str(), to.c_str()) == 0) return absl::OkStatus();
  }
  return ErrnoStatus(errno, "rename to", to);
}

absl::Status VerifyFile(const std::string& dir, const ManifestFile& file) {
  const absl::StatusOr<ManifestFile> found = Describe(dir, file.name);
  if (!found.ok()) return absl::DataLossError(found.status().message());
  if (found->bytes != file.bytes) {
    return absl::DataLossError(absl::StrCat(dir, "/", file.name, " has ",
                                            found->bytes, " bytes; the manifest says ",
                                            file.bytes));
  }
  if (found->sha256 != file.sha256) {
    return absl::DataLossError(absl::StrCat(
        dir, "/", file.name, " does not match the manifest's SHA-256"));
  }
  return absl::OkStatus();
}

}  // namespace

DirWriter::DirWriter(std::string final_path, std::string temp_path)
    : final_path_(std::move(final_path)), temp_path_(std::move(temp_path)) {}

DirWriter::DirWriter(DirWriter&& other) noexcept
    : final_path_(std::move(other.final_path_)),
      temp_path_(std::exchange(other.temp_path_, std::string())) {}

DirWriter::~DirWriter() {
  if (temp_path_.empty()) return;
  std::error_code error;
  fs::remove_all(temp_path_, error);
}

absl::StatusOr<DirWriter> DirWriter::Create(const std::string& final_path,
                                            absl::string_view tag) {
  const std::string target = WithoutSlash(final_path);
  const std::string parent = ParentOf(target);
  if (tag.empty() || absl::StrContains(tag, "/") || BaseOf(target).empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("cannot write a folder \"", final_path, "\" with tag \"",
                     tag, "\""));
  }
  std::error_code error;
  fs::create_directories(parent, error);
  if (error) return ErrnoStatus(error.value(), "create folder", parent);
  const std::string temp =
      absl::StrCat(parent, "/", kTempPrefix, BaseOf(target), "-", tag);
  fs::remove_all(temp, error);  // what a writer of the same tag left behind
  if (mkdir(temp.c_str(), 0755) != 0) {
    return ErrnoStatus(errno, "create folder", temp);
  }
  return DirWriter(target, temp);
}

absl::Status DirWriter::WriteFile(absl::string_view name,
                                  absl::string_view contents) {
  STRATA_RETURN_IF_ERROR(CheckManifestName(name));
  STRATA_ASSIGN_OR_RETURN(
      FileSink sink, FileSink::Create(absl::StrCat(temp_path_, "/", name)));
  STRATA_RETURN_IF_ERROR(sink.Append(contents));
  return sink.Finish();
}

absl::Status DirWriter::AddFile(absl::string_view name,
                                const std::string& source) {
  STRATA_RETURN_IF_ERROR(CheckManifestName(name));
  const std::string target = absl::StrCat(temp_path_, "/", name);
  if (linkat(AT_FDCWD, source.c_str(), AT_FDCWD, target.c_str(),
             AT_SYMLINK_FOLLOW) == 0) {
    return absl::OkStatus();
  }
  if (errno == ENOENT) return ErrnoStatus(errno, "link", source);
  const int in = open(source.c_str(), O_RDONLY | O_CLOEXEC);
  if (in < 0) return ErrnoStatus(errno, "open", source);
  const auto closer = [](const int* fd) { close(*fd); };
  const std::unique_ptr<const int, decltype(closer)> guard(&in, closer);
  STRATA_ASSIGN_OR_RETURN(FileSink sink, FileSink::Create(target));
  std::string buffer(1 << 20, '\0');
  while (true) {
    const ssize_t n = read(in, buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return ErrnoStatus(errno, "read", source);
    if (n == 0) return sink.Finish();
    STRATA_RETURN_IF_ERROR(
        sink.Append(absl::string_view(buffer.data(), static_cast<size_t>(n))));
  }
}

absl::Status DirWriter::Commit(std::map<std::string, std::string> attributes) {
  if (temp_path_.empty()) return ErrnoStatus(EEXIST, "commit", final_path_);
  Manifest manifest;
  manifest.attributes = std::move(attributes);
  STRATA_ASSIGN_OR_RETURN(const std::vector<std::string> names,
                          FilesOf(temp_path_));
  for (const std::string& name : names) {
    STRATA_RETURN_IF_ERROR(CheckManifestName(name));
    STRATA_RETURN_IF_ERROR(SyncPath(absl::StrCat(temp_path_, "/", name)));
    STRATA_ASSIGN_OR_RETURN(ManifestFile file, Describe(temp_path_, name));
    manifest.files.push_back(std::move(file));
  }
  STRATA_ASSIGN_OR_RETURN(
      FileSink sink,
      FileSink::Create(absl::StrCat(temp_path_, "/", kManifestName)));
  STRATA_RETURN_IF_ERROR(sink.Append(ManifestToJson(manifest)));
  STRATA_RETURN_IF_ERROR(sink.Finish());
  STRATA_RETURN_IF_ERROR(SyncPath(temp_path_));
  STRATA_RETURN_IF_ERROR(RenameNew(temp_path_, final_path_));
  temp_path_.clear();
  return SyncPath(ParentOf(final_path_));
}

absl::StatusOr<Manifest> ReadManifest(const std::string& dir, bool verify) {
  STRATA_ASSIGN_OR_RETURN(const std::string json,
                          ReadFile(absl::StrCat(dir, "/", kManifestName)));
  STRATA_ASSIGN_OR_RETURN(Manifest manifest, ParseManifest(json, dir));
  if (!verify) return manifest;
  for (const ManifestFile& file : manifest.files) {
    STRATA_RETURN_IF_ERROR(VerifyFile(dir, file));
  }
  return manifest;
}

int RemoveTemporaries(const std::string& parent) {
  int removed = 0;
  std::vector<fs::path> found;
  std::error_code error;
  for (fs::directory_iterator it(parent, error), end; !error && it != end;
       it.increment(error)) {
    if (absl::StartsWith(it->path().filename().string(), kTempPrefix)) {
      found.push_back(it->path());
    }
  }
  for (const fs::path& path : found) {
    fs::remove_all(path, error);
    if (!error) ++removed;
  }
  return removed;
}

absl::Status RemoveFolder(const std::string& path) {
  static std::atomic<uint64_t> counter{0};
  const std::string folder = WithoutSlash(path);
  const std::string doomed =
      absl::StrCat(ParentOf(folder), "/", kTempPrefix, BaseOf(folder),
                   "-removed-", getpid(), "-", counter.fetch_add(1));
  if (rename(folder.c_str(), doomed.c_str()) != 0) {
    return errno == ENOENT ? absl::OkStatus()
                           : ErrnoStatus(errno, "remove", folder);
  }
  std::error_code error;
  fs::remove_all(doomed, error);
  return error ? ErrnoStatus(error.value(), "remove", doomed)
               : absl::OkStatus();
}

}  // namespace strata
