// The tokenisers of a DatasetStore.

#include <filesystem>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "model/base/status_macros.h"
#include "model/version_dir.h"
#include "server/engine/error_reason.h"
#include "server/jobs/dataset_store.h"

namespace strata {
namespace {

std::string PathOf(const std::string& root, absl::string_view sha256) {
  return absl::StrCat(root, "/tokenizers/", sha256, ".model");
}

}  // namespace

absl::StatusOr<StoredTokenizer> DatasetStore::PutTokenizer(
    const std::string& file, std::shared_ptr<const Tokenizer>* opened) {
  auto tokenizer = OpenTokenizer(file);
  if (!tokenizer.ok()) return tokenizer.status();
  StoredTokenizer stored;
  stored.sha256 = Sha256Hex(file);
  stored.path = PathOf(root_, stored.sha256);
  std::error_code error;
  std::filesystem::create_directories(root_ + "/tokenizers", error);
  const absl::Status written = WriteFileAtomically(stored.path, file);
  if (absl::IsResourceExhausted(written)) return WithReason(written, "STORAGE_FULL");
  STRATA_RETURN_IF_ERROR(written);
  if (opened != nullptr) *opened = *std::move(tokenizer);
  return stored;
}

absl::StatusOr<StoredTokenizer> DatasetStore::GetTokenizer(
    absl::string_view sha256) const {
  const std::string path = PathOf(root_, sha256);
  std::error_code error;
  if (IsSha256Hex(sha256) && std::filesystem::exists(path, error)) {
    return StoredTokenizer{std::string(sha256), path};
  }
  return absl::NotFoundError(absl::StrCat("there is no tokeniser \"", sha256, "\""));
}

}  // namespace strata
