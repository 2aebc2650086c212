#include "model/position_scheme.h"

#include "absl/strings/str_cat.h"

namespace strata {

const PositionScheme kRopePosition = {.name = "rope", .turns = true};

// Those that have code of their own, one file each.
extern const PositionScheme kAlibiPosition;
extern const PositionScheme kXposPosition;

namespace {

// A table of so many rows of width D; vectors or products for so many distances.
constexpr int64_t kMaxRows = 65536;
constexpr int64_t kMaxDistance = 4096;
// As far as a stream may reach, a block's prefix beside each of its items.
constexpr int64_t kMaxSight = int64_t{1} << 29;

const PositionScheme kNonePosition = {.name = "none"};
const PositionScheme kSinusoidalPosition = {.name = "sinusoidal",
                                            .entrance = EntranceRows::kAngles};
const PositionScheme kLearnedPosition = {.name = "learned",
                                         .entrance = EntranceRows::kLearned,
                                         .max_span = kMaxRows};
const PositionScheme kShawPosition = {.name = "shaw",
                                      .relative = RelativeKeys::kLearned,
                                      .max_span = kMaxDistance};
const PositionScheme kTransformerXlPosition = {
    .name = "transformer-xl",
    .relative = RelativeKeys::kSinusoids,
    .max_span = kMaxDistance};
const PositionScheme kDistanceAwarePosition = {.name = "distance-aware",
                                               .factor = true};
const PositionScheme kAdaptiveSpanPosition = {.name = "adaptive-span",
                                              .turns = true,
                                              .adaptive = true,
                                              .max_span = kMaxSight};

constexpr const PositionScheme* kSchemes[] = {
    &kRopePosition,
    &kNonePosition,
    &kAlibiPosition,
    &kXposPosition,
    &kSinusoidalPosition,
    &kLearnedPosition,
    &kShawPosition,
    &kTransformerXlPosition,
    &kDistanceAwarePosition,
    &kAdaptiveSpanPosition,
};

}  // namespace

absl::Span<const PositionScheme* const> PositionSchemes() { return kSchemes; }

const PositionScheme* FindPositionScheme(absl::string_view name) {
  for (const PositionScheme* scheme : kSchemes) {
    if (name == scheme->name) return scheme;
  }
  return nullptr;
}

std::string PositionSchemeNames() {
  std::string list;
  const size_t count = PositionSchemes().size();
  for (size_t i = 0; i < count; ++i) {
    const char* before = i == 0 ? "" : i + 1 < count ? ", " : " or ";
    absl::StrAppend(&list, before, kSchemes[i]->name);
  }
  return list;
}

}  // namespace strata
