#pragma once
// Where units of the level above end: the one definition for the training graph,
// the decoders and the availability pass. A unit may end after an item only for
// reasons found in that item and those before it, so a decoder knows at once.
// A rule says after which items it wishes to end a unit; one never ends before
// `block_min` items and always after `block`.
//
//   fixed       after every `block` items
//   spacelike   after an item that is no letter, digit or inner byte of a UTF-8
//               character, where the one before it was (Slagle 2024, SpaceByte,
//               2404.14408: units end where words do, so a word is predicted from a
//               context that holds all the words before it). A piece of a tokeniser
//               counts as its bytes: a unit ends after a piece if it would end within
//               it, so " world" ends a unit behind "Hello", and does not wait for the
//               space that begins the next piece
//   router      after an item that the encoder made unlike the one before it, as
//               learned projections see them (model/nn/router.h)
//
// Pure functions on plain values.

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "model/items.h"
#include "model/model_config.h"

namespace strata {

// From this probability on a router wishes to end a unit; it is also the least share
// that what follows a unit has in what is said from there on (model/nn/router.h).
inline constexpr double kRouterEven = 0.5;
// The squared lengths of a router's query and key together are at least this.
inline constexpr double kLeastRouterNorms = 1e-12;

// Letters and digits of ASCII, and bytes 0x80 to 0xBF, continue a word; every
// other byte and every marker breaks it.
bool IsSpacelike(Item item);

// What a piece does to a spacelike rule: three bits, for its first byte is
// spacelike (4), a word ends inside it (2), its last byte is not spacelike (1).
inline constexpr int kPieceClasses = 8;
int PieceClass(absl::string_view bytes);
// Of an item that `level` reads. REQUIRES: a piece is one of level.piece_classes.
int ItemClass(const LevelConfig& level, Item item);
// Whether the classes of `level` are those of vocab - kVocab pieces.
absl::Status CheckPieceClasses(const LevelConfig& level, int64_t vocab);

// The incomplete unit at the end of a sequence.
struct OpenUnit {
  int64_t items = 0;     // in it
  bool in_word = false;  // the byte before was not spacelike
};

// Takes one more item; true when a unit ends with it.
bool TakeItem(const LevelConfig& level, Item item, OpenUnit* open);
// The same where a router wishes.
bool TakeRouted(const LevelConfig& level, bool wished, OpenUnit* open);

// Per item whether a unit ends with it, in a row of documents that do not share
// one: a unit also ends with the last item of a document. `segments`: the
// document of each item, perhaps of one more, or empty for one document.
std::vector<uint8_t> RuleUnitEnds(const LevelConfig& level,
                                  absl::Span<const int64_t> items,
                                  absl::Span<const int64_t> segments);
// `wished`: per item.
std::vector<uint8_t> RoutedUnitEnds(const LevelConfig& level,
                                    absl::Span<const uint8_t> wished,
                                    absl::Span<const int64_t> segments);

}  // namespace strata
