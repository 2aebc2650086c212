#include "model/train/data_warnings.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace strata {

void WarnOfCutDocuments(const DataSplit& data, int64_t sequence,
                        TrainObserver* observer) {
  if (data.is_text) return;
  int64_t cut = 0;
  int64_t longest = 0;
  for (const auto* part : {&data.train, &data.held_out}) {
    for (const Document& document : *part) {
      cut += document.size() > sequence;
      longest = std::max(longest, document.size());
    }
  }
  if (cut == 0) return;
  observer->OnWarning(
      "DOCUMENTS_CUT",
      absl::StrCat(cut, " of ", data.train.size() + data.held_out.size(),
                   " documents are longer than a row, which spec.sequence sets to ",
                   sequence, " items; they are learnt in parts, each with the end "
                   "of its prompt. The longest has ", longest, " items"));
}

void WarnOfSmallData(int64_t have, int64_t of_a_step, absl::string_view unit,
                     TrainObserver* observer) {
  if (have >= of_a_step) return;
  observer->OnWarning(
      "DATA_SMALL",
      absl::StrCat("there are ", have, " ", unit, " to train on, and a step has "
                   "room for ", of_a_step, ": every step sees all of them"));
}

void WarnOfFewerPieces(int64_t made, int64_t asked, TrainObserver* observer) {
  if (made >= asked) return;
  observer->OnWarning(
      "FEWER_PIECES",
      absl::StrCat("spec.tokenizer: ", asked, " pieces were asked for; the tokeniser that "
                   "was trained has ", made, ", of two bytes or more"));
}

int64_t TrainItems(const DataSplit& data) {
  int64_t items = 0;
  for (const Document& document : data.train) items += document.size();
  return items;
}

}  // namespace strata
