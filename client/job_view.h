#pragma once
// What `train` and `jobs` show of a job.

#include <string>

#include "absl/status/status.h"
#include "client/command.h"
#include "strata/v1/training.pb.h"

namespace strata {

// "jobs/ID" from "ID" or "jobs/ID".
std::string JobName(const std::string& id);

// Follows a job to its end: progress on standard error, or its events as JSON
// on standard output; then the job itself. An error if it did not succeed.
// Ctrl-C detaches and says how to attach again.
absl::Status FollowJob(const CommandContext& context, const std::string& job, bool json);

// What its weights began as: the base's name, or that it was a config.
std::string JobBase(const v1::Job& job);

// JSON, or a paragraph for a person.
absl::Status PrintJob(const v1::Job& job, bool json);
std::string DescribeJob(const v1::Job& job);

}  // namespace strata
