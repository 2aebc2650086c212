#pragma once
// Rows of a Google Benchmark program that read memory, to be measured among those that
// they are roofs of: the same process has the same kind of memory.

#include <string>

namespace strata {

// `row`: read/BYTES, by so many threads, or read_alone/BYTES, by one. The bytes are read
// again and again, as a step's weights and states are: what of them a cache keeps it need
// not wait for. False where it is no such row.
bool RegisterReadRow(const std::string& row, int threads);

}  // namespace strata
