#include "server/engine/output_assembler.h"

#include <utility>

namespace strata {

OutputAssembler::OutputAssembler(std::vector<std::string> stops,
                                 std::shared_ptr<const Tokenizer> tokenizer)
    : tokenizer_(std::move(tokenizer)), matcher_(std::move(stops)) {}

const std::string* OutputAssembler::Push(absl::string_view bytes) {
  begins_.push_back(released_ + static_cast<int64_t>(pending_.size()));
  for (const char byte : bytes) {
    pending_ += byte;
    const std::string* stop = matcher_.Push(static_cast<uint8_t>(byte));
    if (stop != nullptr) return stop;
  }
  return nullptr;
}

bool OutputAssembler::Add(Item item) {
  if (!IsText(item)) return false;
  const absl::string_view bytes = tokenizer_->BytesOf(item);
  if (matcher_.empty() && begins_.empty() && !bytes.empty()) {
    // Nothing is held back, nor ever will be.
    ++delta_.items;
    delta_.data.append(bytes.data(), bytes.size());
    released_ += static_cast<int64_t>(bytes.size());
    utf8_.Append(bytes, &delta_.text);
    return false;
  }
  const std::string* stop = Push(bytes);
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
  released_ += static_cast<int64_t>(bytes);
  for (; !begins_.empty() && begins_.front() < released_; begins_.pop_front()) {
    ++delta_.items;
  }
  utf8_.Append(released, &delta_.text);
  pending_.erase(0, bytes);
}

}  // namespace strata
