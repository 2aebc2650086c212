#define STRATA_ISA baseline
#define STRATA_VECTOR_BYTES 16
#include "model/logit_loops_impl.h"
