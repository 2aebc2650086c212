#pragma once
// How fast memory is read: the roof of all that reads weights or states once. Each
// thread reads its share at several places side by side, as prefetchers and memory
// channels like best, and does nothing with it but a bit operation a word.

#include <cstdint>
#include <vector>

namespace strata {

class ReadSpeed {
 public:
  // `bytes` in all, on huge pages; each thread writes its share first.
  ReadSpeed(int64_t bytes, int threads);
  ~ReadSpeed();

  // Every thread reads its share `times` times.
  void Read(int64_t times);
  int64_t bytes() const;  // that are read each time

 private:
  const int threads_;
  const int64_t words_;  // a thread
  uint64_t* data_ = nullptr;
  std::vector<uint64_t> results_;
};

}  // namespace strata
