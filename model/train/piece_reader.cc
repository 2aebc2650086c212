#include "model/train/piece_reader.h"

#include <algorithm>
#include <utility>

#include "model/base/status_macros.h"
#include "model/decode/load_model.h"

namespace strata {
namespace {

constexpr int64_t kItemsAtOnce = 512;

}  // namespace

absl::StatusOr<std::unique_ptr<PieceReader>> PieceReader::Open(
    const std::string& version_dir, int threads) {
  STRATA_ASSIGN_OR_RETURN(auto model, LoadCpuModel(version_dir));
  STRATA_ASSIGN_OR_RETURN(auto generator, model->NewGenerator({threads, 0}));
  return std::unique_ptr<PieceReader>(
      new PieceReader(std::move(model), std::move(generator)));
}

absl::Status PieceReader::Read(const Document& document, const DocumentCut& cut) {
  items_ = {kSos};
  trained_ = {0};
  ForEachItem(document, cut, [&](Item item, bool trained) {
    items_.push_back(item);
    trained_.push_back(trained ? 1 : 0);
  });
  const int64_t vocab = config().vocab;
  const int64_t dim = config().levels[0].dim;
  logits_.resize(size() * vocab);
  hidden_.resize(size() * dim);
  STRATA_ASSIGN_OR_RETURN(const auto sequence, generator_->NewSequence(size()));
  for (int64_t begin = 0; begin < size(); begin += kItemsAtOnce) {
    const int64_t n = std::min(kItemsAtOnce, size() - begin);
    StepRow row{sequence.get(), absl::MakeConstSpan(items_).subspan(begin, n)};
    row.logits = absl::MakeSpan(logits_).subspan(begin * vocab, n * vocab);
    row.hidden = absl::MakeSpan(hidden_).subspan(begin * dim, n * dim);
    STRATA_RETURN_IF_ERROR(generator_->Step({row}));
  }
  return absl::OkStatus();
}

}  // namespace strata
