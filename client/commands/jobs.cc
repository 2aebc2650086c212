// strata jobs: list, get, watch, cancel.

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "client/command.h"
#include "client/job_view.h"
#include "client/json_printer.h"
#include "client/output.h"
#include "client/status.h"
#include "model/base/status_macros.h"

namespace strata {
namespace {

std::vector<std::string> Row(const v1::Job& job) {
  const v1::TrainProgress& progress = job.progress();
  return {job.name().substr(job.name().find('/') + 1),
          EnumName(*v1::JobState_descriptor(), job.state()),
          absl::StrCat(progress.step(), "/",
                       std::max(job.spec().steps(), progress.total_steps())),
          JobBase(job),
          job.spec().model(),
          job.has_error() ? job.error().code() : job.published(),
          HumanTime(job.create_time_ms())};
}

absl::Status ListJobs(const CommandContext& context, bool json) {
  std::vector<std::vector<std::string>> rows = {
      {"ID", "STATE", "STEP", "BASE", "MODEL", "RESULT", "CREATED"}};
  v1::ListJobsRequest request;
  request.set_page_size(1000);
  do {
    grpc::ClientContext call;
    v1::ListJobsResponse page;
    const grpc::Status status = context.connection->training().ListJobs(&call, request, &page);
    if (!status.ok()) return FromGrpc(status);
    for (const v1::Job& job : page.jobs()) {
      if (json) STRATA_RETURN_IF_ERROR(WriteLine(JsonLine(job)));
      rows.push_back(Row(job));
    }
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty());
  return json ? absl::OkStatus() : WriteOut(FormatTable(rows));
}

absl::Status GetJob(const CommandContext& context, const std::string& name, bool json) {
  v1::GetJobRequest request;
  request.set_name(name);
  grpc::ClientContext call;
  v1::Job job;
  const grpc::Status status = context.connection->training().GetJob(&call, request, &job);
  return status.ok() ? PrintJob(job, json) : FromGrpc(status);
}

absl::Status Cancel(const CommandContext& context, const std::string& name, bool json) {
  v1::CancelJobRequest request;
  request.set_name(name);
  grpc::ClientContext call;
  v1::Job job;
  const grpc::Status status = context.connection->training().CancelJob(&call, request, &job);
  return status.ok() ? PrintJob(job, json) : FromGrpc(status);
}

}  // namespace

absl::Status RunJobs(CommandContext* context, const std::vector<std::string>& words) {
  std::string action = "list";
  std::string id;
  bool json = false;
  ArgParser args("jobs",
                 "Lists the training jobs, newest first; or shows, follows or cancels one.");
  args.AddWord("ACTION", "list (the default), get, watch or cancel", &action);
  args.AddWord("ID", "the job, but for list", &id);
  args.AddFlag("json", "print jobs, and the events of watch, as lines of JSON", &json);
  bool done = false;
  STRATA_RETURN_IF_ERROR(ParseOrHelp(context, &args, words, &done));
  if (done) return absl::OkStatus();
  if (action == "list" && id.empty()) return ListJobs(*context, json);
  if (action != "get" && action != "watch" && action != "cancel") {
    return UsageError(absl::StrCat("strata jobs ", action,
                                   " is not known; it is list, or get, watch or cancel ID"));
  }
  if (id.empty()) return UsageError(absl::StrCat("strata jobs ", action, " needs the job's ID"));
  const std::string name = JobName(id);
  if (action == "get") return GetJob(*context, name, json);
  if (action == "watch") return FollowJob(*context, name, json);
  return Cancel(*context, name, json);
}

}  // namespace strata
