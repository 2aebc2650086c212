#include "client/job_view.h"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/interrupts.h"
#include "client/json_printer.h"
#include "client/output.h"
#include "client/progress.h"
#include "client/watch.h"
#include "model/base/status_macros.h"

namespace strata {
namespace {

std::string StateName(const v1::Job& job) {
  return EnumName(*v1::JobState_descriptor(), job.state());
}

absl::Status Outcome(const v1::Job& job) {
  if (job.state() == v1::SUCCEEDED) return absl::OkStatus();
  std::string message = absl::StrCat(job.name(), " ", StateName(job));
  if (job.has_error()) {
    absl::StrAppend(&message, ": ", job.error().message(), " [", job.error().code(), "]");
  }
  for (char& c : message) {
    if (c == '\n') c = ' ';
  }
  return absl::AbortedError(message);
}

// How to attach again, with --server where the environment does not say it.
std::string AttachCommand(const CommandContext& context, const std::string& job) {
  const char* environment = getenv("STRATA_SERVER");
  const bool known = environment != nullptr && context.server == environment;
  return absl::StrCat("strata ", known ? "" : absl::StrCat("--server ", context.server, " "),
                      "jobs watch ", job.substr(strlen("jobs/")));
}

}  // namespace

std::string JobName(const std::string& id) {
  return absl::StartsWith(id, "jobs/") ? id : absl::StrCat("jobs/", id);
}

absl::Status FollowJob(const CommandContext& context, const std::string& job, bool json) {
  JobWatcher watcher(context.connection.get(), job, {});
  absl::StatusOr<v1::Job> result = absl::UnknownError("");
  {
    ProgressDisplay display(stderr, isatty(STDERR_FILENO) != 0);
    ScopedInterruptHandler handler([&] { watcher.Stop(); });
    absl::Status written;
    result = watcher.Watch(
        [&](const v1::JobEvent& event) {
          if (!json) return display.OnEvent(event);
          written = WriteLine(JsonLine(event));
          if (!written.ok()) watcher.Stop();
        },
        [&](const std::string& note) { display.Note(note); });
    STRATA_RETURN_IF_ERROR(written);
  }
  if (absl::IsCancelled(result.status())) {
    fprintf(stderr, "Detached; the job goes on. Attach again with: %s\n",
            AttachCommand(context, job).c_str());
    return Interrupted();
  }
  STRATA_RETURN_IF_ERROR(result.status());
  if (json || result->state() == v1::SUCCEEDED) STRATA_RETURN_IF_ERROR(PrintJob(*result, json));
  return Outcome(*result);
}

std::string JobBase(const v1::Job& job) {
  return job.spec().config().empty() ? job.spec().base() : "a config";
}

std::string DescribeJob(const v1::Job& job) {
  std::string text = absl::StrCat(job.name(), " ", StateName(job));
  if (!job.published().empty()) absl::StrAppend(&text, ", published ", job.published());
  absl::StrAppend(&text, "\n  ", JobBase(job), " -> ", job.spec().model(), ", attempt ",
                  job.attempt(), ", created ", HumanTime(job.create_time_ms()));
  if (job.progress().total_steps() > 0) {
    absl::StrAppend(&text, "\n  ", RenderProgress(job.progress(), 100));
  }
  if (job.has_last_eval()) {
    absl::StrAppendFormat(&text, "\n  held-out text at step %d: %s", job.last_eval().step(),
                          EvalQuality(job.last_eval()));
  }
  if (job.has_error()) {
    absl::StrAppend(&text, "\n  ", job.error().code(), ": ", job.error().message());
  }
  return text;
}

absl::Status PrintJob(const v1::Job& job, bool json) {
  return WriteLine(json ? JsonLine(job) : DescribeJob(job));
}

}  // namespace strata
