#include "tests/bench/read_speed.h"

#include <algorithm>
#include <thread>

#include "model/base/log.h"
#include "model/decode/huge_memory.h"

namespace strata {
namespace {

constexpr int64_t kPlaces = 4;
constexpr int64_t kStep = 64;  // words; a share has whole steps at each place

#if defined(__x86_64__)
#define STRATA_VECTOR_CLONES \
  __attribute__((target_clones("avx512f", "avx2", "default"), optimize("O3")))
#else
#define STRATA_VECTOR_CLONES __attribute__((optimize("O3")))
#endif

STRATA_VECTOR_CLONES
uint64_t Mix(const uint64_t* words, int64_t at_each_place) {
  const uint64_t* p0 = words;
  const uint64_t* p1 = p0 + at_each_place;
  const uint64_t* p2 = p1 + at_each_place;
  const uint64_t* p3 = p2 + at_each_place;
  uint64_t m0 = 0, m1 = 0, m2 = 0, m3 = 0;
  for (int64_t i = 0; i < at_each_place; ++i) {
    m0 ^= p0[i];
    m1 ^= p1[i];
    m2 ^= p2[i];
    m3 ^= p3[i];
  }
  return m0 ^ m1 ^ m2 ^ m3;
}

template <typename Work>
void OnThreads(int threads, Work work) {
  std::vector<std::thread> others;
  for (int t = 1; t < threads; ++t) others.emplace_back(work, t);
  work(0);
  for (std::thread& other : others) other.join();
}

}  // namespace

ReadSpeed::ReadSpeed(int64_t bytes, int threads)
    : threads_(threads),
      words_(std::max<int64_t>(1, bytes / 8 / threads / kPlaces / kStep) *
             kPlaces * kStep),
      results_(threads * kStep) {
  data_ = static_cast<uint64_t*>(AllocateHuge(this->bytes()));
  STRATA_CHECK(data_ != nullptr);
  OnThreads(threads_, [this](int t) {
    std::fill_n(data_ + t * words_, words_, uint64_t{0x5A5A});
  });
}

ReadSpeed::~ReadSpeed() { FreeHuge(data_, bytes()); }

int64_t ReadSpeed::bytes() const { return 8 * words_ * threads_; }

void ReadSpeed::Read(int64_t times) {
  OnThreads(threads_, [&](int t) {
    volatile uint64_t* const result = &results_[t * kStep];
    for (int64_t i = 0; i < times; ++i) {
      *result = Mix(data_ + t * words_, words_ / kPlaces);
    }
  });
}

}  // namespace strata
