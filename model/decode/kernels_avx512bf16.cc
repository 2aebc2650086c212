#define STRATA_ISA avx512bf16
#define STRATA_VECTOR_BYTES 64
#include "model/decode/kernels_impl.h"
