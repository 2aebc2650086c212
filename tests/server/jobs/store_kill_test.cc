// kill -9 of a process in the middle of its work on the store, again and again:
// what the store confirmed is there, and every job's events are gap-free.

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <map>
#include <sstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "model/base/random.h"
#include "server/jobs/job_store.h"
#include "tests/testing/temp_dir.h"

namespace strata {
namespace {

// Kills a child after `lines` of its answers and returns all that it said.
std::string WorkAndKill(const std::string& path, const std::string& name,
                        int lines) {
  int out[2];
  if (pipe(out) != 0) return "";
  const pid_t pid = fork();
  if (pid == 0) {
    dup2(out[1], STDOUT_FILENO);
    close(out[0]);
    close(out[1]);
    execl(STRATA_STORE_CHILD, STRATA_STORE_CHILD, path.c_str(), name.c_str(),
          nullptr);
    _exit(127);
  }
  close(out[1]);
  std::string said;
  char c = 0;
  bool killed = false;
  while (read(out[0], &c, 1) == 1) {
    said += c;
    if (c == '\n' && --lines == 0) {
      kill(pid, SIGKILL);
      killed = true;
    }
  }
  close(out[0]);
  int status = 0;
  waitpid(pid, &status, 0);
  EXPECT_TRUE(killed && WIFSIGNALED(status)) << "the child ended by itself";
  return said;
}

TEST(StoreKillTest, WhatWasConfirmedSurvivesAKillAtAnyMoment) {
  TempDir dir;
  const std::string path = dir / "jobs.sqlite";
  std::map<std::string, int64_t> confirmed;  // last sequence by job
  for (int round = 0; round < 12; ++round) {
    const int lines = 1 + static_cast<int>(RandomBits(9, 0, round) % 60);
    std::istringstream said(
        WorkAndKill(path, absl::StrCat("round", round), lines));
    std::string what, id;
    while (said >> what >> id) {
      int64_t sequence = 1;
      if (what == "event") said >> sequence;
      confirmed[id] = std::max(confirmed[id], sequence);
    }
    auto store = OpenSqliteJobStore(path);
    ASSERT_TRUE(store.ok()) << store.status();
    for (const auto& [job, sequence] : confirmed) {
      const auto record = (*store)->Get(job);
      ASSERT_TRUE(record.ok()) << job << " is lost";
      EXPECT_GE(record->last_sequence, sequence) << job;
      const auto events = (*store)->Events(job, 0, 1000);
      ASSERT_TRUE(events.ok());
      ASSERT_EQ(static_cast<int64_t>(events->size()), record->last_sequence);
      for (size_t i = 0; i < events->size(); ++i) {
        EXPECT_EQ((*events)[i].sequence, static_cast<int64_t>(i) + 1);
      }
      EXPECT_EQ(events->back().state, record->state);
      // The repeated request finds its job.
      EXPECT_EQ((*store)->FindByKey(job, "hash")->id, job);
    }
    // Free the slot for the next child: what is claimed is an orphan now.
    const auto orphans = (*store)->Orphans("nobody", 1);
    ASSERT_TRUE(orphans.ok());
    for (const JobRecord& job : *orphans) {
      EXPECT_TRUE((*store)
                      ->Update(job.id, job.fence, Durability::kFull,
                               [](JobRecord* record, std::vector<JobEvent>*) {
                                 record->state = JobState::kFailed;
                                 return absl::OkStatus();
                               })
                      .ok());
      confirmed[job.id] = std::max<int64_t>(confirmed[job.id], 1);
    }
  }
  EXPECT_GT(confirmed.size(), 12u);
}

}  // namespace
}  // namespace strata
