#include "client/sample_output.h"

#include "absl/strings/str_cat.h"
#include "client/output.h"
#include "model/base/status_macros.h"

namespace strata {

absl::Status SampleOutput::Print(const v1::GenerateResponse& event) {
  if (!event.has_delta() && !event.has_finished()) return absl::OkStatus();
  const int sample =
      event.has_delta() ? event.delta().sample() : event.finished().sample();
  if (sample < 0 || sample >= static_cast<int>(samples_.size())) {
    return absl::InternalError(
        absl::StrCat("the server sent sample ", sample, " of ", samples_.size()));
  }
  samples_[sample].waiting += event.delta().data();
  samples_[sample].finished = event.has_finished();
  return Advance();
}

absl::Status SampleOutput::Advance() {
  while (current_ < samples_.size()) {
    Sample& sample = samples_[current_];
    if (!named_) STRATA_RETURN_IF_ERROR(WriteName(current_));
    named_ = true;
    STRATA_RETURN_IF_ERROR(Write(sample.waiting));
    sample.waiting.clear();
    if (!sample.finished) break;
    ++current_;
    named_ = false;
  }
  return absl::OkStatus();
}

absl::Status SampleOutput::WriteName(size_t sample) {
  if (samples_.size() == 1) return absl::OkStatus();
  return Write(absl::StrCat(at_line_start_ ? "" : "\n", "--- sample ", sample, "\n"));
}

absl::Status SampleOutput::Write(const std::string& bytes) {
  if (bytes.empty()) return absl::OkStatus();
  at_line_start_ = bytes.back() == '\n';
  return WriteOut(bytes);
}

}  // namespace strata
