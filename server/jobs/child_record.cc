#include "server/jobs/child_record.h"

#include <unistd.h>

#include <nlohmann/json.hpp>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "model/base/status_macros.h"
#include "model/json_object.h"
#include "model/version_dir.h"

namespace strata {
namespace {

// Fields of /proc/PID/stat after the name in parentheses, which may itself hold
// spaces and parentheses: [0] is the state, [19] the start time.
constexpr size_t kStateField = 0;
constexpr size_t kStartField = 19;

absl::StatusOr<std::vector<std::string>> StatFields(int64_t pid) {
  STRATA_ASSIGN_OR_RETURN(const std::string text,
                          ReadFile(absl::StrCat("/proc/", pid, "/stat")));
  const size_t name_end = text.rfind(')');
  if (name_end == std::string::npos) {
    return absl::InternalError(absl::StrCat("/proc/", pid, "/stat is odd"));
  }
  std::vector<std::string> fields = absl::StrSplit(
      absl::StripAsciiWhitespace(text.substr(name_end + 1)), ' ');
  if (fields.size() <= kStartField) {
    return absl::InternalError(absl::StrCat("/proc/", pid, "/stat is short"));
  }
  return fields;
}

std::string BootId() {
  const auto text = ReadFile("/proc/sys/kernel/random/boot_id");
  return text.ok() ? std::string(absl::StripAsciiWhitespace(*text))
                   : std::string();
}

std::string RecordPath(const std::string& job_dir) {
  return job_dir + "/child.json";
}

}  // namespace

absl::StatusOr<ChildRecord> DescribeProcess(pid_t pid) {
  STRATA_ASSIGN_OR_RETURN(const std::vector<std::string> fields,
                          StatFields(pid));
  ChildRecord record;
  record.pid = pid;
  record.boot_id = BootId();
  if (!absl::SimpleAtoi(fields[kStartField], &record.start_ticks)) {
    return absl::InternalError(absl::StrCat("/proc/", pid, "/stat is odd"));
  }
  return record;
}

bool IsAlive(const ChildRecord& record) {
  const auto fields = StatFields(record.pid);
  int64_t start = 0;
  return fields.ok() && (*fields)[kStateField] != "Z" &&
         absl::SimpleAtoi((*fields)[kStartField], &start) &&
         start == record.start_ticks && BootId() == record.boot_id;
}

absl::Status WriteChildRecord(const std::string& job_dir,
                              const ChildRecord& record) {
  const nlohmann::ordered_json json = {{"pid", record.pid},
                                       {"start_ticks", record.start_ticks},
                                       {"boot_id", record.boot_id}};
  return WriteFileAtomically(RecordPath(job_dir), json.dump() + "\n");
}

absl::StatusOr<ChildRecord> ReadChildRecord(const std::string& job_dir) {
  STRATA_ASSIGN_OR_RETURN(const std::string text,
                          ReadFile(RecordPath(job_dir)));
  STRATA_ASSIGN_OR_RETURN(JsonObject object,
                          JsonObject::Parse(text, "child.json"));
  ChildRecord record;
  object.Get("pid", &record.pid);
  object.Get("start_ticks", &record.start_ticks);
  object.Get("boot_id", &record.boot_id);
  STRATA_RETURN_IF_ERROR(object.Finish());
  return record;
}

void RemoveChildRecord(const std::string& job_dir) {
  unlink(RecordPath(job_dir).c_str());
}

}  // namespace strata
