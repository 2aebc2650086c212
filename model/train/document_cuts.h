#pragma once
// Where a document that is longer than a row is cut, so that no answer is learnt
// without its question. Torch-free, a pure function: the same cuts in every
// epoch, attempt and process.
//
// A turn is a run of trained items: a completion, or an assistant's message, each
// with its kEos. The items before it, back to kSos, are its prompt, which ends
// with the separator. Of the `room` items behind a piece's kSos:
//
//   turn begins    [end of the prompt][turn, further whole turns…]
//   turn goes on   [end of the prompt][end of what was trained][rest of the turn…]
//
// A piece in which a turn begins gives its prompt half the room, and what the rest
// of the document leaves free; the items just before the turn, so a chat's prompt
// may hold earlier turns. A turn beyond the other half goes on in further pieces:
// a quarter of the room each for the end of the prompt and for the items before
// the cut, at least half for what is new. Only the new is trained, so every
// trained item is trained once. A piece ends with a turn, or where its room ends
// if that is within its first turn. A text has no prompt and repeats nothing: its
// pieces lie end to end.

#include <cstdint>
#include <vector>

#include "model/training_document.h"

namespace strata {

// Items [prompt_begin, prompt_end), then [begin, end) of a document; trained are
// those from `train_from` on that the document marks.
struct DocumentCut {
  int64_t prompt_begin = 0;
  int64_t prompt_end = 0;
  int64_t begin = 0;
  int64_t end = 0;
  int64_t train_from = 0;

  int64_t size() const { return prompt_end - prompt_begin + end - begin; }
  bool operator==(const DocumentCut&) const = default;
};

// The document in pieces of at most `room` items; one piece where all of it fits,
// none where nothing is trained. A text's first piece has at most `first_room`
// items. REQUIRES: room, first_room > 0.
std::vector<DocumentCut> CutDocument(const Document& document, int64_t room,
                                     int64_t first_room);

// The items of a piece behind its kSos, in order: put(item, trained).
template <typename Put>
void ForEachItem(const Document& document, const DocumentCut& cut, Put put) {
  for (int64_t i = cut.prompt_begin; i < cut.prompt_end; ++i) {
    put(document.item(i), false);
  }
  for (int64_t i = cut.begin; i < cut.end; ++i) {
    put(document.item(i), i >= cut.train_from && document.trained(i));
  }
}

}  // namespace strata
