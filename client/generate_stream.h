#pragma once
// One Generate call, read to its end; and the options that all commands which
// generate have in common.

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "client/args.h"
#include "client/connection.h"
#include "client/neighbour_args.h"
#include "grpcpp/client_context.h"
#include "strata/v1/generation.pb.h"

namespace strata {

// Sampling, length, stop strings and limits, as options of a command.
class GenerationArgs {
 public:
  void Register(ArgParser* args);
  // Sets only what was given: the server has the defaults.
  void Apply(v1::GenerateRequest* request) const;
  // The RPC's own deadline, if --timeout was given.
  void ApplyDeadline(grpc::ClientContext* context) const;

 private:
  std::optional<int64_t> max_tokens_;
  std::optional<double> temperature_;
  std::optional<int64_t> top_k_;
  std::optional<double> top_p_;
  std::optional<double> min_p_;
  std::optional<double> repetition_penalty_;
  std::optional<int64_t> repetition_window_;
  std::optional<uint64_t> seed_;
  std::optional<double> time_limit_;
  std::optional<double> timeout_;
  std::vector<std::string> stop_;
  NeighbourArgs neighbours_;
  bool ignore_eos_ = false;
  bool no_prefix_cache_ = false;
};

// What does not fit stays out of range, so that the server can refuse it.
int32_t NarrowField(int64_t value);

// Calls `on_event` for every message. An error that it returns cancels the call
// and is the result; so is a stream that ends without a Finished of each sample.
absl::Status StreamGenerate(
    Connection* connection, grpc::ClientContext* context, const v1::GenerateRequest& request,
    const std::function<absl::Status(const v1::GenerateResponse&)>& on_event);

}  // namespace strata
