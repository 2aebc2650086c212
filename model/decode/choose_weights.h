#pragma once
// --dtype auto: which type of weights is faster here, of those that keep a model's
// quality (fp32 and bf16), for matrices as wide as the model's. Some processors have no
// units for bf16, and what reading half of the bytes is worth depends on the caches.

#include "model/decode/number_types.h"
#include "model/model_config.h"

namespace strata {

// Times one row and 32 rows on one thread, against as many weights as the model has
// (at most 16M, fewer than 100 MB), in turns; some tenths of a second, the first time a
// process asks for these sizes. Logs what it saw. kFull where memory cannot be had.
// Thread-safe.
WeightType FastestWeights(const ModelConfig& config);

}  // namespace strata
