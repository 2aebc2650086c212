#include "server/engine/output_assembler.h"

#include <utility>

namespace strata {

OutputAssembler::OutputAssembler(std::vector<std::string> stops)
    : matcher_(std::move(stops)) {}

bool OutputAssembler::Add(Item item) {
  if (!IsByte(item)) return false;
  pending_ += static_cast<char>(item);
  const std::string* stop = matcher_.Push(static_cast<uint8_t>(item));
  if (stop == nullptr) {
    Release(pending_.size() - matcher_.held());
    return false;
  }
  matched_ = *stop;
  Release(pending_.size() - stop->size());
  pending_.clear();
  return true;
}

void OutputAssembler::Finish() {
  Release(pending_.size());
  utf8_.Flush(&delta_.text);
}

OutputDelta OutputAssembler::Take() {
  return std::exchange(delta_, OutputDelta());
}

void OutputAssembler::Release(size_t bytes) {
  if (bytes == 0) return;
  const absl::string_view released(pending_.data(), bytes);
  delta_.data.append(released.data(), released.size());
  delta_.items += static_cast<int>(bytes);
  utf8_.Append(released, &delta_.text);
  pending_.erase(0, bytes);
}

}  // namespace strata
