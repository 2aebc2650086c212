#include "model/nn/reversible_stack.h"

#include <map>
#include <utility>

#include "model/nn/bucket_rule.h"
#include "model/nn/matrix_precision.h"
#include "model/nn/residual.h"

namespace strata {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

struct Streams {
  torch::Tensor first, second;

  torch::Tensor Mean() const { return (first + second) / 2; }
};

// What a half needs to be computed again.
struct Again {
  uint64_t seed = 0;
  BucketTape tape;
};

struct Kept : torch::CustomClassHolder {
  std::vector<ReversibleRun> runs;
  double rate = 0;
  bool bf16 = Bf16Products::On();  // as its products were the first time
  std::vector<Again> halves;     // two a run
  std::vector<torch::Tensor> inputs;  // of the function, behind x
  std::map<const void*, size_t> place;  // of a weight among the inputs
};

void Enter(const ReversibleRun& run, Streams* x) {
  if (!run.entrance.defined()) return;
  x->first = x->first + run.entrance;
  x->second = x->second + run.entrance;
}

// The entrances of runs, and every weight once.
void ListInputs(Kept* kept) {
  for (const ReversibleRun& run : kept->runs) {
    for (const ReversibleHalf* half : {&run.attention, &run.feed_forward}) {
      for (const torch::Tensor& weight : half->weights) {
        if (!weight.requires_grad()) continue;
        const bool fresh =
            kept->place.emplace(weight.unsafeGetTensorImpl(), kept->inputs.size()).second;
        if (fresh) kept->inputs.push_back(weight);
      }
    }
  }
  for (const ReversibleRun& run : kept->runs) {
    if (run.entrance.defined()) kept->inputs.push_back(run.entrance);
  }
}

torch::Tensor AddHalf(const ReversibleHalf& half, double rate, const torch::Tensor& from,
                      const torch::Tensor& to, Again* again) {
  const TapeScope recording(&again->tape, /*again=*/false);
  const auto update = half.forward(from);
  if (rate > 0) again->seed = DropoutSeed();
  return rate > 0 ? AddDropped(to, update, rate, again->seed) : to + update;
}

// The way back through the layers.
class Backwards {
 public:
  Backwards(Kept* kept, const Streams& y, const torch::Tensor& gradient)
      : kept_(*kept), x_(y), grads_{gradient / 2, gradient / 2}, sums_(kept->inputs.size()) {}

  // Gradients of x and of the inputs.
  variable_list Run() {
    size_t entrance = kept_.inputs.size();
    for (size_t i = kept_.runs.size(); i-- > 0;) {
      const ReversibleRun& run = kept_.runs[i];
      Undo(run.feed_forward, &kept_.halves[2 * i + 1], x_.first, &x_.second,
           grads_.second, &grads_.first);
      Undo(run.attention, &kept_.halves[2 * i], x_.second, &x_.first, grads_.first,
           &grads_.second);
      if (!run.entrance.defined()) continue;
      x_.first = x_.first - run.entrance;
      x_.second = x_.second - run.entrance;
      sums_[--entrance] = (grads_.first + grads_.second).flatten(0, -2).sum(0);
    }
    variable_list out = {grads_.first + grads_.second};
    out.insert(out.end(), sums_.begin(), sums_.end());
    return out;
  }

 private:
  // `to` loses what the half made of `from`, whose gradient grows by what goes through it.
  void Undo(const ReversibleHalf& half, Again* again, const torch::Tensor& from,
            torch::Tensor* to, const torch::Tensor& to_grad, torch::Tensor* from_grad) {
    const TapeScope replaying(&again->tape, /*again=*/true);
    torch::Tensor update;
    variable_list inputs = {from.detach().requires_grad_(true)};
    std::vector<size_t> places;
    for (const torch::Tensor& weight : half.weights) {
      if (!weight.requires_grad()) continue;
      inputs.push_back(weight);
      places.push_back(kept_.place.at(weight.unsafeGetTensorImpl()));
    }
    {
      const torch::AutoGradMode with_gradients(true);
      update = half.forward(inputs[0]);
      if (kept_.rate > 0) update = Dropped(update, kept_.rate, again->seed);
    }
    const auto grads = torch::autograd::grad(
        {update}, inputs, {to_grad}, /*retain_graph=*/false, /*create_graph=*/false,
        /*allow_unused=*/true);
    *to = *to - update.detach();
    if (grads[0].defined()) *from_grad = *from_grad + grads[0];
    for (size_t w = 0; w < places.size(); ++w) {
      torch::Tensor& sum = sums_[places[w]];
      const auto& grad = grads[w + 1];
      if (grad.defined()) sum = sum.defined() ? sum + grad : grad;
    }
  }

  Kept& kept_;
  Streams x_, grads_;
  variable_list sums_;
};

class ReversibleFunction : public torch::autograd::Function<ReversibleFunction> {
 public:
  // `inputs`: what the gradient is asked of, beside x.
  static torch::Tensor forward(AutogradContext* context, const torch::Tensor& x,
                               at::TensorList /*inputs*/,
                               const c10::intrusive_ptr<Kept>& kept) {
    Streams y = {x, x};
    kept->halves.resize(2 * kept->runs.size());
    for (size_t i = 0; i < kept->runs.size(); ++i) {
      const ReversibleRun& run = kept->runs[i];
      Enter(run, &y);
      y.first = AddHalf(run.attention, kept->rate, y.second, y.first,
                        &kept->halves[2 * i]);
      y.second = AddHalf(run.feed_forward, kept->rate, y.first, y.second,
                         &kept->halves[2 * i + 1]);
    }
    context->save_for_backward({y.first, y.second});
    context->saved_data["kept"] = c10::IValue::make_capsule(kept);
    return y.Mean();
  }

  static variable_list backward(AutogradContext* context, variable_list grads) {
    const auto kept = context->saved_data["kept"].toCapsule();
    const auto saved = context->get_saved_variables();
    auto* const again = static_cast<Kept*>(kept.get());
    const Bf16Products products(again->bf16);
    variable_list out = Backwards(again, {saved[0], saved[1]}, grads[0]).Run();
    out.emplace_back();  // of what is kept
    return out;
  }
};

}  // namespace

torch::Tensor RunTwoStreams(const torch::Tensor& x,
                            const std::vector<ReversibleRun>& runs, double rate) {
  Streams y = {x, x};
  for (const ReversibleRun& run : runs) {
    Enter(run, &y);
    y.first = AddDropped(y.first, run.attention.forward(y.second), rate);
    y.second = AddDropped(y.second, run.feed_forward.forward(y.first), rate);
  }
  return y.Mean();
}

torch::Tensor RunReversible(const torch::Tensor& x,
                            const std::vector<ReversibleRun>& runs, double rate) {
  if (!torch::GradMode::is_enabled()) return RunTwoStreams(x, runs, rate);
  auto kept = c10::make_intrusive<Kept>();
  kept->runs = runs;
  kept->rate = rate;
  ListInputs(kept.get());
  return ReversibleFunction::apply(x, at::TensorList(kept->inputs), kept);
}

}  // namespace strata
