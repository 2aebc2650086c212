#include "server/engine/generator_cache.h"

#include <algorithm>
#include <utility>

#include "model/base/log.h"
#include "model/base/status_macros.h"

namespace strata {

absl::StatusOr<Generator*> GeneratorCache::Get(
    const std::shared_ptr<const ServedVersion>& version) {
  for (const Entry& entry : entries_) {
    // Owners are compared, not addresses: a new version may stand where a dead
    // one stood.
    if (!entry.version.owner_before(version) &&
        !version.owner_before(entry.version)) {
      return entry.generator.get();
    }
  }
  Entry entry{version, version->weights, nullptr,
              DraftPolicy(version->weights->drafts())};
  STRATA_ASSIGN_OR_RETURN(entry.generator,
                          version->weights->NewGenerator(options_));
  entries_.push_back(std::move(entry));
  return entries_.back().generator.get();
}

DraftPolicy* GeneratorCache::Drafting(const Generator* generator) {
  const auto it = std::find_if(
      entries_.begin(), entries_.end(),
      [&](const Entry& entry) { return entry.generator.get() == generator; });
  STRATA_CHECK(it != entries_.end());
  return &it->drafting;
}

void GeneratorCache::DropUnused() {
  for (size_t i = entries_.size(); i-- > 0;) {
    if (!entries_[i].version.expired()) continue;
    // Not erase: assigning over an entry frees its weights before its generator.
    std::swap(entries_[i], entries_.back());
    entries_.pop_back();
  }
}

}  // namespace strata
