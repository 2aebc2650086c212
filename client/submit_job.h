#pragma once
// From a file and a spec to a job, as the commands that start one do it.

#include <string>

#include "absl/status/status.h"
#include "client/command.h"
#include "strata/v1/training.pb.h"

namespace strata {

struct SubmitOptions {
  std::string data;  // the file; - is standard input
  std::string key;   // of idempotency; empty: one of its own
  bool watch = false;
  bool json = false;
};

// Uploads the data, starts the job of `request`, which lacks it and the key, and prints
// or follows the job.
absl::Status SubmitJob(CommandContext* context, const SubmitOptions& options,
                       v1::TrainRequest request);

}  // namespace strata
