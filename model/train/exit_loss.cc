#include "model/train/exit_loss.h"

#include "model/hierarchy/item_loss.h"
#include "model/hierarchy/prefix_items.h"

namespace strata {

ShutExits::ShutExits(HierarchicalTransformer model)
    : exits_(model->level(0).decoder().exits()) {
  if (!exits_.is_empty()) exits_->SetOpen(false);
}

ShutExits::~ShutExits() {
  if (!exits_.is_empty()) exits_->SetOpen(true);
}

ExitLoss ExitLossSums(HierarchicalTransformer model,
                      const std::vector<torch::Tensor>& states,
                      const BatchTensors& rows) {
  LevelImpl& bytes = model->level(0);
  const LevelConfig& config = model->config().levels[0];
  const auto learnt =
      LearntPairs(rows.trained, rows.segments, 0).flatten().nonzero().squeeze(1);
  const auto targets = rows.items.flatten().index_select(0, learnt);
  const auto exits = static_cast<int>(states.size()) - 1;
  ExitLoss loss;
  std::vector<torch::Tensor> logits, said;
  double weights = 0;
  for (int i = 0; i <= exits; ++i) {
    const auto contexts =
        config.bridge == BridgeKind::kPrefix
            ? WithoutPrefixes(config, states[i], rows.items.size(1))
            : states[i];
    const auto state = contexts.flatten(0, 1).index_select(0, learnt);
    const auto guess = model->Head(bytes.Norm(state));
    const double weight = config.exits + i;
    const auto term = weight * at::cross_entropy_loss(guess, targets, {},
                                                      at::Reduction::Sum);
    loss.layers = loss.layers.defined() ? loss.layers + term : term;
    weights += weight;
    said.push_back(guess.detach().argmax(-1));
    if (i < exits) {
      logits.push_back(
          bytes.decoder().exits()->Logit(config.exits - 1 + i, state.detach()));
    }
  }
  loss.layers = loss.layers / weights;
  for (int i = 0; i < exits; ++i) {
    const auto stays = (said[i] == said[exits]).to(logits[i].scalar_type());
    const auto term = at::binary_cross_entropy_with_logits(logits[i], stays, {}, {},
                                                           at::Reduction::Sum) /
                      exits;
    loss.judges = loss.judges.defined() ? loss.judges + term : term;
  }
  return loss;
}

}  // namespace strata
