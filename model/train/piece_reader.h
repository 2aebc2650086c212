#pragma once
// A piece of a document (model/train/document_cuts.h) read as serving would read it, by
// the CPU executor in fp32: for each of its items, what predicted it. One row at a time,
// so neither threads nor pieces before change a bit. Torch-free. Thread-compatible.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "model/generator.h"
#include "model/train/document_cuts.h"

namespace strata {

class PieceReader {
 public:
  // Errors of LoadCpuModel.
  static absl::StatusOr<std::unique_ptr<PieceReader>> Open(
      const std::string& version_dir, int threads);

  const ModelConfig& config() const { return model_->config(); }

  // REQUIRES: the piece and its kSos fit the context; it is not empty.
  absl::Status Read(const Document& document, const DocumentCut& cut);

  // Of the piece read last, i in [0, size()), kSos not counted.
  int64_t size() const { return static_cast<int64_t>(items_.size()) - 1; }
  Item item(int64_t i) const { return items_[i + 1]; }
  bool trained(int64_t i) const { return trained_[i + 1] != 0; }
  // What goes into the output head where item i is predicted, and what comes out of it.
  absl::Span<const float> hidden(int64_t i) const { return Row(hidden_, i); }
  absl::Span<const float> logits(int64_t i) const { return Row(logits_, i); }

 private:
  PieceReader(std::shared_ptr<const LoadedModel> model,
              std::unique_ptr<Generator> generator)
      : model_(std::move(model)), generator_(std::move(generator)) {}

  absl::Span<const float> Row(const std::vector<float>& rows, int64_t i) const {
    const size_t width = rows.size() / static_cast<size_t>(size());
    return absl::MakeConstSpan(rows).subspan(i * width, width);
  }

  const std::shared_ptr<const LoadedModel> model_;
  const std::unique_ptr<Generator> generator_;  // before the model it goes
  std::vector<Item> items_;
  std::vector<uint8_t> trained_;
  std::vector<float> hidden_, logits_;
};

}  // namespace strata
