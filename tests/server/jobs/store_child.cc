// Works on a job store as fast as it can until it is killed, and says on
// standard output what the store has confirmed: "job ID", "event ID SEQUENCE".

#include <unistd.h>

#include <cstdio>
#include <string>

#include "absl/strings/str_cat.h"
#include "server/jobs/event_payload.h"
#include "server/jobs/job_store.h"

namespace {

void Say(const std::string& line) {
  const std::string text = line + "\n";
  if (write(STDOUT_FILENO, text.data(), text.size()) < 0) _exit(3);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  const std::string incarnation = argv[2];
  auto store = strata::OpenSqliteJobStore(argv[1]);
  if (!store.ok()) return 1;
  for (int n = 0;; ++n) {
    strata::JobRecord job;
    job.id = absl::StrCat(incarnation, "-", n);
    job.idempotency_key = job.id;
    job.spec.base = "block";
    job.created_ms = 1;
    if (!(*store)->Insert(job, "hash").ok()) return 1;
    Say("job " + job.id);
    auto claimed = (*store)->Claim(incarnation, 1, 1'000'000);
    if (!claimed.ok()) return 1;
    for (int i = 0; i < 5; ++i) {
      const auto changed = (*store)->Update(
          claimed->id, claimed->fence,
          i % 2 ? strata::Durability::kFull : strata::Durability::kRelaxed,
          [&](strata::JobRecord* record, std::vector<strata::JobEvent>* events) {
            record->state = strata::JobState::kRunning;
            record->progress.step = i;
            events->push_back(strata::MetricsEvent(record->progress));
            return absl::OkStatus();
          });
      if (!changed.ok()) return 1;
      Say(absl::StrCat("event ", changed->id, " ", changed->last_sequence));
    }
  }
}
