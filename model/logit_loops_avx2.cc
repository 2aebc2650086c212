#define STRATA_ISA avx2
#define STRATA_VECTOR_BYTES 32
#include "model/logit_loops_impl.h"
