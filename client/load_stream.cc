#include "client/load_stream.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "client/status.h"
#include "model/base/random.h"

namespace strata {
namespace {

v1::GenerateRequest MakeRequest(const LoadOptions& options, uint64_t number) {
  v1::GenerateRequest request;
  request.set_model(options.model);
  request.set_prompt(BenchPrompt(options.seed, number, options.prompt_bytes));
  request.set_max_tokens(options.max_tokens);
  v1::SamplingParams* sampling = request.mutable_sampling();
  sampling->set_temperature(options.temperature);
  sampling->set_seed(options.seed + number);
  sampling->set_ignore_eos(true);
  return request;
}

// Whether request `number` goes away at its first byte.
bool GoesAway(const LoadOptions& options, uint64_t number) {
  constexpr uint64_t kStream = 0x63616e63656c;
  return RandomUniform(options.seed, kStream, number) < options.cancel;
}

std::chrono::system_clock::time_point After(double seconds) {
  return std::chrono::system_clock::now() +
         std::chrono::duration_cast<std::chrono::system_clock::duration>(
             std::chrono::duration<double>(seconds));
}

}  // namespace

bool StreamTimer::Good(const LoadOptions& options) const {
  const auto kept = [](const Percentiles& seen, double goal) {
    return goal == 0 || seen.Mean() <= goal;
  };
  return kept(report_->ttft, options.ttft_goal) &&
         kept(report_->inter_token, options.inter_token_goal);
}

void StreamTimer::OnEvent(const v1::GenerateResponse& event) {
  const MonotonicTime now = Clock::System()->Now();
  if (event.has_delta() && (event.delta().tokens() > 0 || !event.delta().data().empty())) {
    OnDelta(event.delta(), now);
  } else if (event.has_finished()) {
    report_->prompt_tokens += event.finished().usage().prompt_tokens();
    report_->generated_tokens += event.finished().usage().generated_tokens();
    report_->end_to_end.Add(Seconds(now - sent_));
  }
}

void StreamTimer::OnDelta(const v1::Delta& delta, MonotonicTime now) {
  ++report_->messages;
  if (!started_) {
    report_->ttft.Add(Seconds(now - sent_));
  } else {
    const int items = std::max(1, delta.tokens());
    const double each = Seconds(now - last_) / items;
    for (int i = 0; i < items; ++i) report_->inter_token.Add(each);
  }
  started_ = true;
  last_ = now;
}

LoadStream::LoadStream(const LoadOptions& options, uint64_t number, MonotonicTime due,
                       std::function<void(const LoadReport&)> done)
    : options_(options),
      goes_away_(GoesAway(options, number)),
      done_(std::move(done)),
      request_(MakeRequest(options, number)),
      timer_(due, &report_) {}

void LoadStream::Start(Connection* connection, const LoadOptions& options, uint64_t number,
                       MonotonicTime due, std::function<void(const LoadReport&)> done) {
  auto* const stream = new LoadStream(options, number, due, std::move(done));  // OnDone
  connection->generation().async()->Generate(&stream->context_, &stream->request_, stream);
  // A slow reader has moments without a read under way.
  if (options.read_delay > 0) stream->AddHold();
  stream->StartRead(&stream->event_);
  stream->StartCall();
}

void LoadStream::OnReadDone(bool ok) {
  const bool slow = options_.read_delay > 0;
  if (!ok) {
    if (slow) RemoveHold();
    return;
  }
  timer_.OnEvent(event_);
  finished_ = finished_ || event_.has_finished();
  if (goes_away_ && timer_.started() && !finished_ && !cancelled_) {
    cancelled_ = true;
    context_.TryCancel();
  }
  if (!slow) {
    StartRead(&event_);
    return;
  }
  before_read_.Set(After(options_.read_delay), [this](bool) { StartRead(&event_); });
}

void LoadStream::OnDone(const grpc::Status& status) {
  const auto done = std::move(done_);
  const LoadReport result = Result(status);
  // First: what goes with the last stream, as the queue that this thread serves, must not
  // go from here.
  delete this;
  done(result);
}

LoadReport LoadStream::Result(const grpc::Status& status) {
  LoadReport result;
  if (cancelled_) {
    ++result.cancelled;
  } else if (status.ok() && finished_) {
    ++report_.completed;
    report_.good += timer_.Good(options_);
    return report_;
  } else {
    const absl::Status failed =
        status.ok() ? absl::InternalError("the stream ended without its last message")
                    : FromGrpc(status);
    ++result.failed;
    ++result.errors[absl::StatusCodeToString(failed.code())];
    result.first_error = std::string(failed.message());
  }
  return result;
}

}  // namespace strata
