#include "client/progress.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/json_printer.h"
#include "client/output.h"

namespace strata {
namespace {

constexpr int kMinBar = 8;
constexpr int kMaxBar = 40;
constexpr std::chrono::seconds kPlainPeriod(5);

int Columns(FILE* out) {
  winsize size = {};
  if (ioctl(fileno(out), TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  return 80;
}

std::string Bar(double fraction, int width) {
  const int full = std::clamp(static_cast<int>(fraction * width), 0, width);
  std::string bar(static_cast<size_t>(full), '=');
  if (full < width) bar += '>';
  bar.resize(static_cast<size_t>(width), ' ');
  return absl::StrCat("[", bar, "] ");
}

std::string Numbers(const v1::TrainProgress& p) {
  const int64_t total = std::max<int64_t>(p.total_steps(), 1);
  std::string text = absl::StrFormat("%d/%d %3d%%", p.step(), p.total_steps(),
                                     std::min<int64_t>(100, p.step() * 100 / total));
  if (p.step() == 0) return text;
  absl::StrAppendFormat(&text, "  loss %.4f", p.loss());
  // A classifier's loss is of labels.
  if (p.bits_per_byte() != 0) absl::StrAppendFormat(&text, "  %.4f bits/byte", p.bits_per_byte());
  absl::StrAppend(&text, "  ", HumanCount(p.tokens_per_second()), " tokens/s");
  if (p.step() < p.total_steps()) {
    absl::StrAppend(&text, "  ", HumanSeconds(p.eta_seconds()), " left");
  }
  if (p.skipped_steps() > 0) absl::StrAppend(&text, "  ", p.skipped_steps(), " skipped");
  return text;
}

// "", or what the heads of further items lose.
std::string NgramLosses(const v1::EvalResult& eval) {
  std::string text;
  for (const double loss : eval.ngram_losses()) {
    absl::StrAppendFormat(&text, "%s %.4f", text.empty() ? "; n-gram heads" : ",", loss);
  }
  return text;
}

std::string StateName(v1::JobState state) {
  return EnumName(*v1::JobState_descriptor(), state);
}

}  // namespace

std::string RenderProgress(const v1::TrainProgress& progress, int columns) {
  const std::string numbers = Numbers(progress);
  const int room = columns - static_cast<int>(numbers.size()) - 3;
  if (room < kMinBar) return numbers.substr(0, static_cast<size_t>(std::max(columns, 0)));
  const double fraction = progress.total_steps() > 0
                              ? static_cast<double>(progress.step()) /
                                    static_cast<double>(progress.total_steps())
                              : 0;
  return absl::StrCat(Bar(fraction, std::min(room, kMaxBar)), numbers);
}

std::string EvalQuality(const v1::EvalResult& eval) {
  if (!eval.has_accuracy()) return absl::StrFormat("%.4f bits/byte", eval.bits_per_byte());
  return absl::StrFormat("accuracy %.4f, macro-F1 %.4f", eval.accuracy(), eval.macro_f1());
}

std::string RenderEvent(const v1::JobEvent& event) {
  if (event.has_eval()) {
    return absl::StrCat(
        absl::StrFormat("evaluation at step %d: loss %.4f, %s on held-out text",
                        event.eval().step(), event.eval().loss(), EvalQuality(event.eval())),
        NgramLosses(event.eval()));
  }
  if (event.has_checkpoint()) {
    return absl::StrFormat("checkpoint at step %d (%sB)", event.checkpoint().step(),
                           HumanCount(static_cast<double>(event.checkpoint().bytes())));
  }
  if (event.has_error()) {
    return absl::StrCat(event.type(), ": ", event.error().message(), " [", event.error().code(),
                        "]");
  }
  if (!event.published().empty()) return absl::StrCat("published ", event.published());
  if (event.type() == "state_changed") {
    const std::string state = StateName(event.state());
    // "QUEUED to STARTING" adds nothing; a reason does.
    return absl::StrContains(event.message(), state) || event.message().empty()
               ? state
               : absl::StrCat(state, ": ", event.message());
  }
  if (event.type() == "warning" || event.type() == "attempt_ended") {
    return absl::StrCat(event.type() == "warning" ? "warning" : "attempt ended", ": ",
                        event.message());
  }
  return "";
}

ProgressDisplay::ProgressDisplay(FILE* out, bool terminal, const Clock* clock)
    : out_(out), terminal_(terminal), clock_(clock) {}

ProgressDisplay::~ProgressDisplay() {
  if (bar_shown_) fputs("\n", out_);
  fflush(out_);
}

void ProgressDisplay::EraseBar() {
  if (bar_shown_) fputs("\r\033[K", out_);
  bar_shown_ = false;
}

void ProgressDisplay::DrawBar() {
  if (last_.total_steps() == 0) return;
  const MonotonicTime now = clock_->Now();
  if (terminal_) {
    EraseBar();
    fputs(RenderProgress(last_, Columns(out_) - 1).c_str(), out_);
    bar_shown_ = true;
  } else if (!line_written_ || now - last_line_ >= kPlainPeriod ||
             last_.step() >= last_.total_steps()) {
    line_written_ = true;
    last_line_ = now;
    fputs(absl::StrCat("step ", Numbers(last_), "\n").c_str(), out_);
  }
}

void ProgressDisplay::OnEvent(const v1::JobEvent& event) {
  const std::string line = RenderEvent(event);
  const bool same_state = event.type() == "state_changed" && event.state() == state_;
  if (event.state() != v1::JOB_STATE_UNSPECIFIED) state_ = event.state();
  if (!line.empty() && !same_state) Note(line);
  if (event.has_progress()) {
    last_ = event.progress();
    DrawBar();
  }
  fflush(out_);
}

void ProgressDisplay::Note(absl::string_view line) {
  const bool redraw = bar_shown_;
  EraseBar();
  fputs(absl::StrCat(line, "\n").c_str(), out_);
  if (redraw) DrawBar();
  fflush(out_);
}

}  // namespace strata
