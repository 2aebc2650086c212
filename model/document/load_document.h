#pragma once
// Opens version folders of document classifiers for serving, with LibTorch on
// the CPU. Torch-free to include.

#include "model/classifier.h"

namespace strata {

// A ClassifierLoader. `threads`: intra-op threads of a Classify. Each text is a
// forward pass of its own, so a text's result does not depend on its neighbours;
// calls on one model take turns.
//   DATA_LOSS           a checksum differs or a file is malformed
//   INVALID_ARGUMENT    config or tensors do not describe a classifier
//   NOT_FOUND           a file is missing
//   RESOURCE_EXHAUSTED  no memory
// The message names the folder.
ClassifierLoader DocumentLoader(int threads);

}  // namespace strata
