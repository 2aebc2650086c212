#pragma once
// Names the calling thread, for who looks at a server with `top -H` or a debugger, and
// for what sums up processor time by kind of thread. At most 15 bytes are kept.

#include <pthread.h>

namespace strata {

inline void NameThisThread(const char* name) {
  char kept[16] = {};
  for (int i = 0; i < 15 && name[i] != 0; ++i) kept[i] = name[i];
  pthread_setname_np(pthread_self(), kept);
}

}  // namespace strata
