#pragma once
// GeneratorCache: a worker's executors, one per version in use, made on first
// use. It does not pin a version: once the registry and every request have let
// go of it, DropUnused frees the executor and with it the weights.
// Single owner thread (the worker).

#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "model/generator.h"
#include "server/engine/draft_policy.h"
#include "server/registry/registry.h"

namespace strata {

class GeneratorCache {
 public:
  explicit GeneratorCache(GeneratorOptions options) : options_(options) {}

  // Valid until DropUnused or Clear, as long as `version` is referenced.
  absl::StatusOr<Generator*> Get(
      const std::shared_ptr<const ServedVersion>& version);

  // What an executor of Get learnt about guesses. Valid as long as it.
  DraftPolicy* Drafting(const Generator* generator);

  // Frees those whose version nobody references any more.
  void DropUnused();
  void Clear() { entries_.clear(); }
  bool empty() const { return entries_.empty(); }

 private:
  struct Entry {
    std::weak_ptr<const ServedVersion> version;
    // The generator needs the weights to outlive it; members go in reverse.
    std::shared_ptr<const LoadedModel> weights;
    std::unique_ptr<Generator> generator;
    DraftPolicy drafting;
  };
  const GeneratorOptions options_;
  std::vector<Entry> entries_;
};

}  // namespace strata
