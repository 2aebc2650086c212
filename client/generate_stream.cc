#include "client/generate_stream.h"

#include <algorithm>
#include <chrono>
#include <limits>

#include "client/status.h"

namespace strata {

int32_t NarrowField(int64_t value) {
  return static_cast<int32_t>(std::clamp<int64_t>(value, std::numeric_limits<int32_t>::min(),
                                                  std::numeric_limits<int32_t>::max()));
}

void GenerationArgs::Register(ArgParser* args) {
  args->Add("max-tokens", "N", "items to generate at most; default 256", &max_tokens_)
      .Add("temperature", "T", "0 is greedy; default 1", &temperature_)
      .Add("top-k", "K", "keep the K likeliest items; 0, the default, is off", &top_k_)
      .Add("top-p", "P", "keep the smallest set of this probability; default 1", &top_p_)
      .Add("min-p", "P", "drop items below P times the likeliest; default 0", &min_p_)
      .Add("repetition-penalty", "R", "above 1 discourages recent items; default 1",
           &repetition_penalty_)
      .Add("repetition-window", "N", "items that the penalty looks back at; default 64",
           &repetition_window_)
      .Add("seed", "S", "same seed, same bytes; default: drawn by the server", &seed_)
      .Add("stop", "TEXT", "end before this text; up to 16 times", &stop_)
      .AddFlag("ignore-eos", "never end at the end-of-text item", &ignore_eos_)
      .AddFlag("no-prefix-cache", "share no state with other requests; on the fused CPU executor\nthe result is the same",
               &no_prefix_cache_)
      .Add("time-limit", "SECONDS", "end the text after this time, queue included", &time_limit_)
      .Add("timeout", "SECONDS", "fail after this time", &timeout_);
  neighbours_.Register(args);
}

void GenerationArgs::Apply(v1::GenerateRequest* request) const {
  v1::SamplingParams* sampling = request->mutable_sampling();
  if (temperature_) sampling->set_temperature(*temperature_);
  if (top_k_) sampling->set_top_k(NarrowField(*top_k_));
  if (top_p_) sampling->set_top_p(*top_p_);
  if (min_p_) sampling->set_min_p(*min_p_);
  if (repetition_penalty_) sampling->set_repetition_penalty(*repetition_penalty_);
  if (repetition_window_) sampling->set_repetition_window(NarrowField(*repetition_window_));
  if (seed_) sampling->set_seed(*seed_);
  if (ignore_eos_) sampling->set_ignore_eos(true);
  if (no_prefix_cache_) request->set_no_prefix_cache(true);
  if (max_tokens_) request->set_max_tokens(*max_tokens_);
  if (time_limit_) request->set_time_limit_seconds(*time_limit_);
  for (const std::string& stop : stop_) request->add_stop(stop);
  neighbours_.Apply(request);
}

void GenerationArgs::ApplyDeadline(grpc::ClientContext* context) const {
  if (!timeout_) return;
  const auto wait = std::chrono::duration<double>(std::clamp(*timeout_, 0.0, 1e8));
  context->set_deadline(std::chrono::system_clock::now() +
                        std::chrono::duration_cast<std::chrono::system_clock::duration>(wait));
}

absl::Status StreamGenerate(
    Connection* connection, grpc::ClientContext* context, const v1::GenerateRequest& request,
    const std::function<absl::Status(const v1::GenerateResponse&)>& on_event) {
  auto reader = connection->generation().Generate(context, request);
  v1::GenerateResponse event;
  int finished = 0;
  while (reader->Read(&event)) {
    finished += event.has_finished();
    absl::Status status = on_event(event);
    if (!status.ok()) {
      context->TryCancel();
      while (reader->Read(&event)) {
      }
      reader->Finish();
      return status;
    }
  }
  const grpc::Status status = reader->Finish();
  if (!status.ok()) return FromGrpc(status);
  if (finished < std::max(1, request.n())) {
    return absl::InternalError("the stream ended without its last message");
  }
  return absl::OkStatus();
}

}  // namespace strata
