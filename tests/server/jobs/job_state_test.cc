// The table of states, exhaustively: the legal transitions are these, and no
// others.

#include <set>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "server/jobs/job.h"
#include "tests/server/jobs/all_job_states.h"

namespace strata {
namespace {

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
  for (const JobState from : kAllJobStates) {
    for (const JobState to : kAllJobStates) {
      const std::string edge =
          absl::StrCat(JobStateName(from), ">", JobStateName(to));
      EXPECT_EQ(IsLegalTransition(from, to), legal.count(edge) > 0) << edge;
    }
  }
}

TEST(JobStateTest, NothingLeavesATerminalState) {
  for (const JobState from : kAllJobStates) {
    bool leaves = false;
    for (const JobState to : kAllJobStates) {
      leaves = leaves || IsLegalTransition(from, to);
    }
    EXPECT_EQ(leaves, !IsTerminal(from)) << JobStateName(from);
  }
}

TEST(JobStateTest, EveryStateCanEnd) {
  // From each state some terminal one is reachable.
  for (const JobState start : kAllJobStates) {
    std::set<JobState> seen = {start};
    for (bool grew = true; grew;) {
      grew = false;
      for (const JobState from : kAllJobStates) {
        for (const JobState to : kAllJobStates) {
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
  for (const JobState state : kAllJobStates) {
    names.insert(std::string(JobStateName(state)));
    EXPECT_EQ(ParseJobState(JobStateName(state)), state);
  }
  EXPECT_EQ(names.size(), std::size(kAllJobStates));
  EXPECT_EQ(ParseJobState("no such state"), std::nullopt);
}

}  // namespace
}  // namespace strata
