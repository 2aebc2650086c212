#define STRATA_ISA avx512
#define STRATA_VECTOR_BYTES 64
#include "model/logit_loops_impl.h"
