#include "model/segment_rule.h"

#include <algorithm>
#include <string>
#include <tuple>

#include "absl/strings/str_cat.h"
#include "model/base/status_macros.h"
#include "model/field_check.h"

namespace strata {
namespace {

constexpr int kMaxRate = 64;
constexpr int kMaxMeans = 1024;
// Items behind the means of a layer, all of which training keeps: at 4096 a model of 1M
// parameters took 4.4 GB, of half a gigabyte at 512.
constexpr int kMaxPacked = 2048;

bool EndsWithBlock(Scope scope) {
  return scope == Scope::kBlock || scope == Scope::kBidirBlock;
}

// The items that a query sees are so many last ones.
bool EndsWithWindow(const ScopeRule& rule) {
  return rule.windowed && rule.keeps == nullptr;
}

// What leaves a window of steps leaves it one by one.
absl::Status ValidateCompressive(const LevelConfig& level, const std::string& at) {
  if (level.memory != MemoryKind::kCompressive) {
    for (const auto& [field, value] : {std::pair("memory_rate", level.memory_rate),
                                       std::pair("memory_items", level.memory_items)}) {
      if (value == 0) continue;
      return BadField(at + field, absl::StrCat("is ", value,
                                               "; must be 0 where memory is not "
                                               "compressive"));
    }
    return absl::OkStatus();
  }
  for (const auto& [field, scope, layers] :
       {std::tuple("enc_scope", level.enc_scope, level.enc_layers),
        std::tuple("dec_scope", level.dec_scope, level.dec_layers)}) {
    if (layers == 0 || scope == Scope::kWindow || EndsWithBlock(scope)) continue;
    return BadField(at + field,
                    absl::StrCat("is ", RuleOf(scope).name,
                                 "; must be window or of blocks where memory is "
                                 "compressive"));
  }
  if (level.window < 2) {
    return BadField(at + "window", absl::StrCat("is ", level.window,
                                                "; must be at least 2 where memory is "
                                                "compressive"));
  }
  STRATA_RETURN_IF_ERROR(InRange(at + "memory_rate", level.memory_rate, 2,
                                 std::min(kMaxRate, level.window)));
  STRATA_RETURN_IF_ERROR(InRange(at + "memory_items", level.memory_items, 1, kMaxMeans));
  const int packed = level.memory_rate * level.memory_items;
  if (packed <= kMaxPacked) return absl::OkStatus();
  return BadField(at + "memory_items",
                  absl::StrCat("is ", level.memory_items, "; times memory_rate it is ",
                               packed, " items, of at most ", kMaxPacked,
                               " that training keeps for a layer"));
}

absl::Status ValidateScope(const std::string& field, Scope scope) {
  const ScopeRule& rule = RuleOf(scope);
  if (EndsWithBlock(scope) || EndsWithWindow(rule)) return absl::OkStatus();
  return BadField(field,
                  absl::StrCat("is ", rule.name,
                               "; must be window, dilated or of blocks where memory "
                               "is not none: no segment can carry all that it sees"));
}

absl::Status ValidateLevel(const LevelConfig& level, const std::string& at) {
  for (const auto& [field, scope, layers] :
       {std::tuple("enc_scope", level.enc_scope, level.enc_layers),
        std::tuple("dec_scope", level.dec_scope, level.dec_layers)}) {
    if (layers > 0) STRATA_RETURN_IF_ERROR(ValidateScope(at + field, scope));
  }
  if (level.position->entrance != EntranceRows::kNone) {
    return BadField(at + "position",
                    absl::StrCat("is ", level.position->name,
                                 "; must be relative where memory is not none: a "
                                 "segment does not know how far into its text it lies"));
  }
  if (level.block_rule != BlockRule::kFixed) {
    return BadField(at + "block_rule",
                    "must be fixed where memory is not none: a segment would end "
                    "within a unit");
  }
  return absl::OkStatus();
}

}  // namespace

int64_t CarriedItems(const ScopeSpec& spec) {
  const auto span = RuleOf(spec.scope).span;
  return span == nullptr ? 0 : span(spec) - 1;
}

absl::Status ValidateMemory(const ModelConfig& config) {
  for (size_t l = 0; l < config.levels.size(); ++l) {
    const LevelConfig& level = config.levels[l];
    const std::string at = absl::StrCat("levels[", l, "].");
    const bool carries = level.memory != MemoryKind::kNone;
    if (carries != CarriesMemory(config)) {
      return BadField(at + "memory",
                      absl::StrCat("is ", MemoryName(level.memory), " and that of "
                                   "levels[0] ", MemoryName(config.levels[0].memory),
                                   "; a text goes on at all levels or at none"));
    }
    STRATA_RETURN_IF_ERROR(ValidateCompressive(level, at));
    if (carries) STRATA_RETURN_IF_ERROR(ValidateLevel(level, at));
  }
  return absl::OkStatus();
}

}  // namespace strata
