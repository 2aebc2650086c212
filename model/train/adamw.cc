#include "model/train/adamw.h"

#include <utility>

namespace strata {

AdamW::AdamW(std::vector<NamedParameter> parameters, AdamWOptions options)
    : options_(options), parameters_(std::move(parameters)) {
  torch::NoGradGuard no_grad;
  groups_[0].weight_decay = options.weight_decay;
  for (NamedParameter& p : parameters_) {
    // In place from here on, so that the lists below stay valid.
    p.tensor.mutable_grad() = at::zeros_like(p.tensor);
    Group& group = groups_[p.tensor.dim() >= 2 && p.tensor.requires_grad() ? 0 : 1];
    group.weights.push_back(p.tensor.detach());
    group.grads.push_back(p.tensor.grad());
    group.exp_avg.push_back(at::zeros_like(p.tensor));
    group.exp_avg_sq.push_back(at::zeros_like(p.tensor));
    state_.push_back({"exp_avg." + p.name, group.exp_avg.back()});
    state_.push_back({"exp_avg_sq." + p.name, group.exp_avg_sq.back()});
  }
}

void AdamW::Step(double learning_rate, int64_t update) {
  torch::NoGradGuard no_grad;
  for (Group& group : groups_) {
    if (group.weights.empty()) continue;
    const at::Tensor step =
        at::full({}, static_cast<double>(update),
                 group.weights[0].options().dtype(at::kFloat));
    const std::vector<at::Tensor> steps(group.weights.size(), step);
    at::_fused_adamw_(group.weights, group.grads, group.exp_avg,
                      group.exp_avg_sq, /*max_exp_avg_sqs=*/{}, steps,
                      learning_rate, options_.beta1, options_.beta2,
                      group.weight_decay, options_.epsilon, /*amsgrad=*/false,
                      /*maximize=*/false);
  }
}

void AdamW::ZeroGrad() {
  torch::NoGradGuard no_grad;
  for (Group& group : groups_) {
    if (!group.grads.empty()) at::_foreach_zero_(group.grads);
  }
}

void AdamW::Reset() {
  torch::NoGradGuard no_grad;
  for (NamedParameter& s : state_) s.tensor.zero_();
}

std::vector<NamedParameter> AdamW::State() const { return state_; }

}  // namespace strata
