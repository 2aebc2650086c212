#include "tests/parity/reference.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <initializer_list>
#include <nlohmann/json.hpp>

#include "absl/strings/match.h"

namespace strata::testing {
namespace {

using nlohmann::json;

uint32_t Mix(std::initializer_list<int64_t> numbers) {
  uint32_t h = 2166136261u;
  for (const int64_t number : numbers) {
    h = (h ^ static_cast<uint32_t>(number)) * 16777619u;
    h ^= h >> 15;
    h *= 2246822519u;
    h ^= h >> 13;
  }
  return h;
}

ModelConfig ConfigOf(const std::string& name, const json& data) {
  ModelConfig config;
  config.architecture = name;
  json text = json::parse(ModelConfigToJson(config));
  text["levels"] = data["levels"];
  text["vocab"] = data.value("vocab", 16);
  text["ngram_heads"] = data.value("ngram_heads", 0);
  const auto parsed = ParseModelConfig(text.dump());
  EXPECT_TRUE(parsed.ok()) << parsed.status();
  return parsed.value_or(ModelConfig());
}

Digests DigestsOf(const json& entries) {
  Digests digests;
  for (const auto& [name, entry] : entries.items()) {
    digests[name] = {entry["shape"], entry["at"], entry["signed"]};
  }
  return digests;
}

}  // namespace

Reference ReadReference(const std::string& name) {
  Reference reference;
  std::ifstream file("tests/parity/data/" + name + ".json");
  const json data = json::parse(file, nullptr, false);
  if (!data.is_object()) {
    ADD_FAILURE() << "cannot read the reference of " << name;
    return reference;
  }
  reference.config = ConfigOf(name, data);
  reference.activations = DigestsOf(data["activations"]);
  reference.loss = data["loss"];
  reference.gradients = DigestsOf(data["gradients"]);
  reference.norms = data["norms"].get<std::vector<double>>();
  reference.after_1 = DigestsOf(data["after_1"]);
  reference.after_10 = DigestsOf(data["after_10"]);
  return reference;
}

void FormulaWeights(torch::nn::Module* model) {
  torch::NoGradGuard no_grad;
  std::map<std::string, torch::Tensor> sorted;
  for (const auto& entry : model->named_parameters()) {
    sorted[entry.key()] = entry.value();
  }
  int64_t index = 0;
  for (auto& [name, parameter] : sorted) {
    auto values = torch::empty(parameter.sizes(), torch::kDouble);
    for (int64_t k = 0; k < values.numel(); ++k) {
      values.data_ptr<double>()[k] =
          (Mix({index, k}) / 4294967296.0 - 0.5) * 0.9 +
          (absl::EndsWith(name, "norm.weight") ? 1.0 : 0.0);
      // Some items leave early.
      if (absl::EndsWith(name, "exit.threshold")) values.data_ptr<double>()[k] = 0.5;
    }
    parameter.copy_(values);
    ++index;
  }
}

torch::Tensor FormulaItems(int64_t step, int64_t vocab) {
  auto items = torch::empty({kParityBatch, kParityItems}, torch::kInt64);
  for (int64_t b = 0; b < kParityBatch; ++b) {
    for (int64_t i = 0; i < kParityItems; ++i) {
      items[b][i] = static_cast<int64_t>(Mix({7919, step, b, i})) % vocab;
    }
  }
  return items;
}

torch::Tensor FormulaTrained() {
  auto trained = torch::empty({kParityBatch, kParityItems}, torch::kUInt8);
  for (int64_t b = 0; b < kParityBatch; ++b) {
    for (int64_t i = 0; i < kParityItems; ++i) {
      trained[b][i] = (i * 7 + b) % 5 != 0;
    }
  }
  return trained;
}

void ExpectDigest(const std::string& name, const torch::Tensor& tensor,
                  const Digest& expected, double tolerance) {
  ASSERT_EQ(tensor.sizes(), expected.shape) << name;
  const auto flat = tensor.detach().to(torch::kDouble).contiguous().flatten();
  const double* values = flat.data_ptr<double>();
  const int64_t size = flat.numel();
  const auto count = static_cast<int64_t>(expected.at.size());
  for (int64_t k = 0; k < count; ++k) {
    const int64_t element = k * (size - 1) / std::max<int64_t>(1, count - 1);
    EXPECT_NEAR(values[element], expected.at[k], tolerance)
        << name << " element " << element;
  }
  double sum = 0;
  for (int64_t k = 0; k < size; ++k) {
    sum += Mix({31, k}) & 1 ? values[k] : -values[k];
  }
  EXPECT_NEAR(sum, expected.sum, tolerance * std::sqrt(size)) << name;
}

}  // namespace strata::testing
