// bits_per_byte MODEL_DIR TEXT_FILE [WINDOW]: what keeping weights, keys and values in
// fewer bits costs a model: bits per byte of a text, WINDOW (4096) bytes at a time, each
// window from an empty context. Every pair of types, beside fp32. bits.sh builds it.

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "model/base/status_macros.h"
#include "model/decode/cpu_options.h"
#include "model/decode/load_model.h"
#include "model/generator.h"

namespace strata {
namespace {

constexpr int64_t kChunk = 256;

// -log2 of the probability of `item`.
double Bits(const float* logits, int64_t vocab, Item item) {
  const float top = *std::max_element(logits, logits + vocab);
  double sum = 0;
  for (int64_t v = 0; v < vocab; ++v) sum += std::exp(double(logits[v]) - top);
  return (std::log(sum) - (double(logits[item]) - top)) / std::log(2.0);
}

// Of items [1, n): what stands before the first is the start alone.
absl::StatusOr<double> WindowBits(Generator* generator, int64_t vocab,
                                  const std::vector<Item>& items) {
  const auto n = static_cast<int64_t>(items.size());
  STRATA_ASSIGN_OR_RETURN(const auto sequence, generator->NewSequence(n));
  std::vector<float> logits(kChunk * vocab);
  double bits = 0;
  for (int64_t begin = 0; begin < n; begin += kChunk) {
    const int64_t count = std::min(kChunk, n - begin);
    const StepRow row{sequence.get(),
                      absl::MakeConstSpan(items).subspan(begin, count),
                      absl::MakeSpan(logits).subspan(0, count * vocab)};
    STRATA_RETURN_IF_ERROR(generator->Step({row}));
    for (int64_t i = 0; i < count && begin + i + 1 < n; ++i) {
      bits += Bits(logits.data() + i * vocab, vocab, items[begin + i + 1]);
    }
  }
  return bits;
}

absl::StatusOr<double> TextBits(const std::string& dir, const CpuModelOptions& types,
                                const std::string& text, int64_t window) {
  STRATA_ASSIGN_OR_RETURN(const auto model, LoadCpuModel(dir, types));
  STRATA_ASSIGN_OR_RETURN(const auto generator, model->NewGenerator({}));
  double bits = 0;
  int64_t predicted = 0;
  for (size_t begin = 0; begin < text.size(); begin += window) {
    std::vector<Item> items;
    for (const char byte : text.substr(begin, window)) {
      items.push_back(static_cast<uint8_t>(byte));
    }
    STRATA_ASSIGN_OR_RETURN(
        const double of_window,
        WindowBits(generator.get(), model->config().vocab, items));
    bits += of_window;
    predicted += static_cast<int64_t>(items.size()) - 1;
  }
  return bits / std::max<int64_t>(1, predicted);
}

absl::Status PrintTable(const std::string& dir, const std::string& text,
                        int64_t window) {
  double full = 0;
  std::printf("weights  keys and values  bits per byte  beside fp32\n");
  for (const WeightType weights :
       {WeightType::kFull, WeightType::kBf16, WeightType::kInt8}) {
    for (const CacheType cache :
         {CacheType::kFull, CacheType::kFp16, CacheType::kBf16}) {
      STRATA_ASSIGN_OR_RETURN(
          const double bits, TextBits(dir, {weights, cache}, text, window));
      if (full == 0) full = bits;
      std::printf("%-8s %-16s %13.5f %+12.5f\n",
                  WeightTypeName(weights, "fp32").c_str(),
                  CacheTypeName(cache, "fp32").c_str(), bits, bits - full);
      std::fflush(stdout);
    }
  }
  return absl::OkStatus();
}

}  // namespace
}  // namespace strata

int main(int argc, char** argv) {
  const int64_t window = argc > 3 ? std::atoll(argv[3]) : 4096;
  if (argc < 3 || argc > 4 || window < 2) {
    std::fprintf(stderr, "usage: bits_per_byte MODEL_DIR TEXT_FILE [WINDOW]\n");
    return 2;
  }
  std::ifstream file(argv[2], std::ios::binary);
  const std::string text((std::istreambuf_iterator<char>(file)), {});
  if (text.size() < 2) {
    std::fprintf(stderr, "bits_per_byte: %s: no text\n", argv[2]);
    return 1;
  }
  const absl::Status status = strata::PrintTable(argv[1], text, window);
  if (!status.ok()) {
    std::fprintf(stderr, "%s\n", std::string(status.message()).c_str());
    return 1;
  }
  return 0;
}
