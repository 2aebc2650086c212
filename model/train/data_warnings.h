#pragma once
// What a job says of its data before the first step, where training works but
// hardly as its owner thinks. Thread-compatible: functions of their input.

#include <cstdint>

#include "absl/strings/string_view.h"
#include "model/train/split.h"
#include "model/trainer.h"

namespace strata {

// DOCUMENTS_CUT: conversations or pairs that are longer than a row of `sequence`
// items. A text is always cut, and nothing is said of it.
void WarnOfCutDocuments(const DataSplit& data, int64_t sequence,
                        TrainObserver* observer);

// DATA_SMALL: there are `have` of what a step takes `of_a_step`, and those are more.
void WarnOfSmallData(int64_t have, int64_t of_a_step, absl::string_view unit,
                     TrainObserver* observer);

// FEWER_PIECES: the text has no more for a tokeniser than `made` of those `asked` for (0:
// none was to be trained).
void WarnOfFewerPieces(int64_t made, int64_t asked, TrainObserver* observer);

int64_t TrainItems(const DataSplit& data);  // of the documents to train on

}  // namespace strata
