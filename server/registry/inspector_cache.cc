#include "server/registry/inspector_cache.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "model/base/status_macros.h"

namespace strata {

absl::Status InspectorCache::CheckFits(const ServedVersion& version) const {
  const int64_t bytes = InspectorBytes(version.weights->config());
  if (bytes <= max_bytes_) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      version.name(), " has ", bytes, " bytes of weights; at most ", max_bytes_,
      " (--inspect-memory) may be opened to be inspected"));
}

absl::Status InspectorCache::Use(
    const std::shared_ptr<const ServedVersion>& version,
    const std::function<absl::Status(const Inspector&)>& use) {
  STRATA_RETURN_IF_ERROR(CheckFits(*version));
  MutexLock lock(&mu_);
  DropUnserved();
  STRATA_RETURN_IF_ERROR(BringToFront(version));
  return use(*entries_.front().inspector);
}

int64_t InspectorCache::bytes() {
  MutexLock lock(&mu_);
  return bytes_;
}

absl::Status InspectorCache::BringToFront(
    const std::shared_ptr<const ServedVersion>& version) {
  for (auto entry = entries_.begin(); entry != entries_.end(); ++entry) {
    if (entry->version.lock() != version) continue;
    entries_.splice(entries_.begin(), entries_, entry);
    return absl::OkStatus();
  }
  const int64_t bytes = InspectorBytes(version->weights->config());
  while (bytes_ + bytes > max_bytes_) {
    bytes_ -= entries_.back().bytes;
    entries_.pop_back();
  }
  STRATA_ASSIGN_OR_RETURN(const std::string dir,
                          registry_->VersionDir(version->name()));
  STRATA_ASSIGN_OR_RETURN(auto inspector, loader_(dir));
  entries_.push_front({version, bytes, std::move(inspector)});
  bytes_ += bytes;
  return absl::OkStatus();
}

void InspectorCache::DropUnserved() {
  for (auto entry = entries_.begin(); entry != entries_.end();) {
    if (!entry->version.expired()) {
      ++entry;
      continue;
    }
    bytes_ -= entry->bytes;
    entry = entries_.erase(entry);
  }
}

}  // namespace strata
