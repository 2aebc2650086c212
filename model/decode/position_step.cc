// LevelStep: what position schemes do beside turning queries and keys
// (model/position_scheme.h).

#include <algorithm>

#include "model/decode/level_step.h"

namespace strata {

template <typename T>
void LevelStep<T>::AddEntrance(int l, int64_t item, T* x) {
  const EntranceTable<T>* const table = model_->entrance(l);
  if (table == nullptr) return;
  entrance_.resize(level_config(l).dim);
  table->Add(item, entrance_.data(), x);
}

// In a run slots ascend as distances descend.
template <typename T>
void LevelStep<T>::FillTerms(const ScoreTerm<T>& term, int head, int64_t i,
                             absl::Span<const SlotRun> seen, int64_t queries,
                             AttendArgs<T>* args) {
  T* const terms = args->scores + terms_offset_;
  T* const scratch = terms + kQueryTile * score_stride_;
  for (int64_t j = 0; j < queries; ++j) {
    const T* q = args->q + j * args->q_stride;
    T* out = terms + j * score_stride_;
    for (const SlotRun& run : seen) {
      term.Fill(head, q, {i + j - run.item, run.step, run.count + j}, scratch,
                out + run.slot);
    }
  }
  args->terms = terms;
  args->rule = term.rule();
}

template <typename T>
int64_t LevelStep<T>::TermValues(int64_t longest) const {
  bool any = false;
  int64_t scratch = 0;
  for (int l = 0; l <= top(); ++l) {
    any = any || BridgeSlots(level_config(l)) > 0;  // its biases
    for (const Stack stack : {Stack::kEncoder, Stack::kDecoder}) {
      const int layers = stack == Stack::kEncoder ? level_config(l).enc_layers
                                                  : level_config(l).dec_layers;
      for (int i = 0; i < layers; ++i) {
        const ScoreTerm<T>* const term = model_->term(l, stack, i);
        if (term == nullptr) continue;
        any = true;
        scratch = std::max(scratch, term->scratch_values());
      }
    }
  }
  return any ? kQueryTile * longest + scratch : 0;
}

template class LevelStep<float>;
template class LevelStep<double>;

}  // namespace strata
