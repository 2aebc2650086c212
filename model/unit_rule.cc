#include "model/unit_rule.h"

#include <algorithm>
#include <numeric>

#include "absl/strings/str_cat.h"

namespace strata {
namespace {

// Of a class.
constexpr int kBeginsSpacelike = 4;
constexpr int kHoldsWordEnd = 2;
constexpr int kEndsInWord = 1;

// Ends a unit that must end, or may and is wished to.
bool TakeOne(const LevelConfig& level, bool wished, OpenUnit* open) {
  ++open->items;
  const bool ends = open->items >= level.block ||
                    (wished && open->items >= level.block_min);
  if (ends) open->items = 0;
  return ends;
}

// `take(i, &open)` is whether a unit ends with item i for its own sake.
template <typename Take>
std::vector<uint8_t> EndsOf(size_t items, absl::Span<const int64_t> segments,
                            Take take) {
  std::vector<uint8_t> ends(items);
  OpenUnit open;
  for (size_t i = 0; i < items; ++i) {
    ends[i] = take(i, &open);
    const bool last_of_document = !segments.empty() &&
                                  i + 1 < segments.size() &&
                                  segments[i + 1] != segments[i];
    if (!last_of_document) continue;
    ends[i] = 1;
    open = {};
  }
  return ends;
}

}  // namespace

bool IsSpacelike(Item item) {
  const bool letter =
      (item >= 'a' && item <= 'z') || (item >= 'A' && item <= 'Z');
  const bool digit = item >= '0' && item <= '9';
  const bool inner = item >= 0x80 && item <= 0xBF;
  return !(letter || digit || inner);
}

int PieceClass(absl::string_view bytes) {
  const auto spacelike = [&](size_t i) {
    return IsSpacelike(static_cast<uint8_t>(bytes[i]));
  };
  int found = 0;
  if (spacelike(0)) found |= kBeginsSpacelike;
  for (size_t i = 1; i < bytes.size(); ++i) {
    if (spacelike(i) && !spacelike(i - 1)) found |= kHoldsWordEnd;
  }
  if (!spacelike(bytes.size() - 1)) found |= kEndsInWord;
  return found;
}

int ItemClass(const LevelConfig& level, Item item) {
  if (!IsPiece(item)) return IsSpacelike(item) ? kBeginsSpacelike : kEndsInWord;
  int64_t before = item - kVocab;
  int found = 0;
  while (before >= level.piece_classes[found]) {
    before -= level.piece_classes[found++];
  }
  return found;
}

absl::Status CheckPieceClasses(const LevelConfig& level, int64_t vocab) {
  const auto& classes = level.piece_classes;
  const int64_t pieces =
      level.block_rule == BlockRule::kSpacelike ? vocab - kVocab : 0;
  const bool none_negative = std::all_of(classes.begin(), classes.end(),
                                         [](int64_t n) { return n >= 0 && n < kMaxVocab; });
  const bool fits =
      pieces == 0
          ? classes.empty()
          : classes.size() == kPieceClasses && none_negative &&
                std::accumulate(classes.begin(), classes.end(), int64_t{0}) == pieces;
  if (fits) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "piece_classes: must ",
      pieces == 0 ? "be left out but where block_rule is spacelike and vocab is more "
                    "than 260"
                  : absl::StrCat("be ", kPieceClasses, " numbers whose sum is vocab - 260 = ",
                                 pieces)));
}

bool TakeItem(const LevelConfig& level, Item item, OpenUnit* open) {
  if (level.block_rule != BlockRule::kSpacelike) {
    return TakeOne(level, false, open);
  }
  const int found = ItemClass(level, item);
  const bool wished = (found & kHoldsWordEnd) != 0 ||
                      ((found & kBeginsSpacelike) != 0 && open->in_word);
  const bool ends = TakeOne(level, wished, open);
  open->in_word = (found & kEndsInWord) != 0;
  return ends;
}

bool TakeRouted(const LevelConfig& level, bool wished, OpenUnit* open) {
  return TakeOne(level, wished, open);
}

std::vector<uint8_t> RuleUnitEnds(const LevelConfig& level,
                                  absl::Span<const int64_t> items,
                                  absl::Span<const int64_t> segments) {
  return EndsOf(items.size(), segments, [&](size_t i, OpenUnit* open) {
    return TakeItem(level, static_cast<Item>(items[i]), open);
  });
}

std::vector<uint8_t> RoutedUnitEnds(const LevelConfig& level,
                                    absl::Span<const uint8_t> wished,
                                    absl::Span<const int64_t> segments) {
  return EndsOf(wished.size(), segments, [&](size_t i, OpenUnit* open) {
    return TakeRouted(level, wished[i] != 0, open);
  });
}

}  // namespace strata
