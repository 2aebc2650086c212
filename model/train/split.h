#pragma once
// The held-out part of a dataset. A conversation or a completion is held out by
// the hash of its content, so that duplicates land on one side and adding data
// moves nothing; a text gives its tail. Thread-safe: a function of its input.

#include <vector>

#include "model/chat_template.h"
#include "model/dataset.h"

namespace strata {

struct DataSplit {
  bool is_text = false;
  std::vector<Document> train;     // never empty unless the dataset is
  std::vector<Document> held_out;  // empty when `fraction` is 0, or when there
                                   // is nothing to spare
};

// `fraction` in [0, 0.5]. Where a positive fraction would hold out no document
// of several, the one of the smallest hash is held out.
DataSplit SplitDataset(Dataset dataset, double fraction);

}  // namespace strata
