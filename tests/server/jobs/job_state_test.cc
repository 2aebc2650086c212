// The table of states, exhaustively: the legal transitions are these, and no
// others.

#include <set>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "server/jobs/job.h"

namespace strata {
namespace {

constexpr JobState kAll[] = {
    JobState::kValidating, JobState::kQueued,     JobState::kStarting,
    JobState::kRunning,    JobState::kFinalizing, JobState::kSucceeded,
    JobState::kPausing,    JobState::kPaused,     JobState::kCancelling,
    JobState::kCancelled,  JobState::kFailed};

TEST(JobStateTest, LegalTransitionsAreThoseOfTheTable) {
  const std::set<std::string> legal = {
      "VALIDATING>QUEUED",     "VALIDATING>CANCELLED", "VALIDATING>FAILED",
      "QUEUED>STARTING",       "QUEUED>CANCELLED",     "STARTING>RUNNING",
      "STARTING>QUEUED",       "STARTING>CANCELLING",  "STARTING>FAILED",
      "RUNNING>PAUSING",       "RUNNING>FINALIZING",   "RUNNING>CANCELLING",
      "RUNNING>QUEUED",        "RUNNING>FAILED",       "PAUSING>PAUSED",
      "PAUSING>RUNNING",       "PAUSING>CANCELLING",   "PAUSING>FAILED",
      "PAUSED>QUEUED",         "PAUSED>CANCELLED",     "CANCELLING>CANCELLED",
      "FINALIZING>SUCCEEDED",  "FINALIZING>QUEUED",    "FINALIZING>FAILED"};
  for (const JobState from : kAll) {
    for (const JobState to : kAll) {
      const std::string edge =
          absl::StrCat(JobStateName(from), ">", JobStateName(to));
      EXPECT_EQ(IsLegalTransition(from, to), legal.count(edge) > 0) << edge;
    }
  }
}

TEST(JobStateTest, NothingLeavesATerminalState) {
  for (const JobState from : kAll) {
    bool leaves = false;
    for (const JobState to : kAll) leaves = leaves || IsLegalTransition(from, to);
    EXPECT_EQ(leaves, !IsTerminal(from)) << JobStateName(from);
  }
}

TEST(JobStateTest, EveryStateCanEnd) {
  // From each state some terminal one is reachable.
  for (const JobState start : kAll) {
    std::set<JobState> seen = {start};
    for (bool grew = true; grew;) {
      grew = false;
      for (const JobState from : kAll) {
        for (const JobState to : kAll) {
          if (seen.count(from) && IsLegalTransition(from, to)) {
            grew = seen.insert(to).second || grew;
          }
        }
      }
    }
    EXPECT_TRUE(seen.count(JobState::kSucceeded) || seen.count(JobState::kFailed) ||
                seen.count(JobState::kCancelled))
        << JobStateName(start);
  }
}

TEST(JobStateTest, NamesAreReadBack) {
  std::set<std::string> names;
  for (const JobState state : kAll) {
    names.insert(std::string(JobStateName(state)));
    EXPECT_EQ(ParseJobState(JobStateName(state)), state);
  }
  EXPECT_EQ(names.size(), std::size(kAll));
  EXPECT_EQ(ParseJobState("no such state"), std::nullopt);
}

}  // namespace
}  // namespace strata
