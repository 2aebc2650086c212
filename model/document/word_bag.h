#pragma once
// WordBag: what words a sentence has, whatever their order, straight into its vector:
// the wide part of wide and deep learning (Cheng et al. 2016, arXiv 1606.07792), with
// learned vectors of hashed words and pairs of words as in fastText (Joulin et al. 2016,
// 1607.01759).
//
//   u[s] = mean over the words and pairs of neighbouring words of s of table[row]
//   out  = out norm(u[s])                                  [D1], added to the pool's
//
// The norm makes a few words as loud as many, which is what lets a table learn from few
// texts. Rows: model/document/word_rows.h; a sentence without a word has u = 0. In
// training each word and each pair is left out with the rate of dropout, from the
// process's default generator. Thread-compatible.

#include <torch/torch.h>

#include "model/document/document_batch.h"
#include "model/nn/linear.h"
#include "model/nn/rms_norm.h"

namespace strata {

class WordBagImpl : public torch::nn::Module {
 public:
  WordBagImpl(int64_t buckets, int64_t dim, int64_t dim_above, double dropout);

  // [rows, D1], by row of the group.
  torch::Tensor forward(const SentenceGroup& group);

 private:
  double dropout_;
  Linear table_;  // used as one: weight [buckets, D0]
  RmsNorm norm_;
  Linear out_;
};
TORCH_MODULE(WordBag);

}  // namespace strata
