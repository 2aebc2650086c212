#include "model/hierarchy/init.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "model/knn_rule.h"
#include "model/nn/gru_gate.h"
#include "model/nn/halting_unit.h"
#include "model/stack_depth.h"

namespace strata {
namespace {

constexpr double kSmallStd = 0.02;
constexpr double kMatrixGain = 0.55;  // 0.02 * sqrt(768)

// Layers, as they run, of the stack that "level.L.enc.I.…" or "level.L.dec.I.…"
// belongs to.
int StackLayers(const ModelConfig& config, const std::string& name) {
  const std::vector<std::string> parts = absl::StrSplit(name, '.');
  int level = 0;
  if (parts.size() < 3 || !absl::SimpleAtoi(parts[1], &level)) return 1;
  const LevelConfig& of = config.levels[level];
  return std::max(1, parts[2] == "enc" ? EncoderRuns(of) : DecoderRuns(of));
}

double InitStd(absl::FunctionRef<int(const std::string&)> stack_layers,
               const std::string& name, const torch::Tensor& weight) {
  if (weight.dim() < 2 || absl::EndsWith(name, "pool.offset") ||
      absl::EndsWith(name, "position.rows") ||
      absl::EndsWith(name, "position.key") || absl::EndsWith(name, ".repeat") ||
      absl::EndsWith(name, "bridge_attention.bias") ||
      absl::EndsWith(name, "scope.global") ||
      absl::EndsWith(name, "words.table.weight") || absl::StartsWith(name, "embedding.")) {
    return kSmallStd;
  }
  const double std =
      kMatrixGain / std::sqrt(static_cast<double>(weight.size(1)));
  const bool ends_residual = absl::EndsWith(name, "attn.out.weight") ||
                             absl::EndsWith(name, "ff.down.weight") ||
                             (absl::StrContains(name, ".merge.") &&
                              absl::EndsWith(name, ".down.weight"));
  return ends_residual ? std / std::sqrt(2.0 * stack_layers(name)) : std;
}

}  // namespace

void InitParameters(uint64_t seed,
                    absl::FunctionRef<int(const std::string&)> stack_layers,
                    torch::nn::Module* model) {
  torch::NoGradGuard no_grad;
  at::Generator generator = at::detail::createCPUGenerator(seed);
  // On the host, so that every device begins with the same weights.
  const auto draw = [&](torch::Tensor& weight, double std) {
    weight.copy_(at::empty(weight.sizes(), weight.options().device(torch::kCPU))
                     .normal_(0.0, std, generator));
  };
  for (auto& entry : model->named_parameters()) {
    if (absl::EndsWith(entry.key(), "norm.weight")) {
      entry.value().fill_(1.0);
    } else if (absl::EndsWith(entry.key(), "position.span")) {
      entry.value().zero_();  // a span grows where it helps
    } else if (absl::EndsWith(entry.key(), "gate.bias")) {
      entry.value().fill_(kGateBias);
    } else if (absl::EndsWith(entry.key(), "knn.scale")) {
      entry.value().fill_(kKnnScale);
    } else if (absl::EndsWith(entry.key(), "knn.bias") ||
               absl::EndsWith(entry.key(), "knn.gate")) {
      entry.value().zero_();  // half open, whatever the context
    } else if (absl::EndsWith(entry.key(), "halt.bias")) {
      entry.value().fill_(kHaltingBias);
    } else if (absl::EndsWith(entry.key(), "exit.threshold")) {
      entry.value().fill_(kNoExit);
    } else if (absl::EndsWith(entry.key(), "buckets.centroids")) {
      draw(entry.value(), 1.0);
      entry.value().div_(at::linalg_vector_norm(entry.value(), 2, {-1}, true));
    } else if (absl::EndsWith(entry.key(), "router.weight")) {
      const auto one = at::eye(entry.value().size(1), entry.value().options());
      entry.value().copy_(at::cat({one, one}));
    } else {
      draw(entry.value(), InitStd(stack_layers, entry.key(), entry.value()));
    }
  }
}

void InitWeights(const ModelConfig& config, uint64_t seed,
                 torch::nn::Module* model) {
  InitParameters(
      seed,
      [&](const std::string& name) { return StackLayers(config, name); },
      model);
}

}  // namespace strata
