#pragma once
// Worker: one thread with its own executors and sequences. Each round is a step
// boundary (ends what is cancelled or expired, takes arrivals) and then one step
// of every row that the scheduler picked, one Step call per model version.
// A fault ends the rows of its Step and the worker goes on.

#include <memory>
#include <thread>
#include <vector>

#include "server/engine/engine_core.h"
#include "server/engine/generator_cache.h"
#include "server/engine/running_row.h"

namespace strata {

class Worker {
 public:
  // `core` outlives the worker. The thread starts at once.
  Worker(EngineCore* core, int index);
  ~Worker();  // REQUIRES: the queue was stopped; joins

 private:
  void Run();
  // False when there is nothing left to wait for.
  bool TakeArrivals();
  void Begin(LiveRequestPtr live);
  void EndDueRows();
  void StepRows();
  // Whether guesses are made for these rows, all that decode in this step.
  bool MayDraft(const Generator* generator, size_t decode_rows);
  // For the decoding rows of one version.
  void Draft(Generator* generator, const std::vector<size_t>& rows);
  // Of decoding rows, after their step.
  void DrawAhead(Generator* generator, const std::vector<size_t>& rows);
  // Decoding rows that wait for their phase sit out.
  void HoldForPhase(std::vector<int64_t>* plan);
  // One Step call for the rows of one version.
  void StepVersion(Generator* generator, const std::vector<size_t>& rows,
                   const std::vector<int64_t>& plan);
  void CountFault(const absl::Status& step);
  // What the step that was made says to the row, and to those that it splits off.
  void AdvanceRow(size_t index, MonotonicTime now);
  void EndRow(size_t index, const Ending& ending);
  void SweepEndedRows();

  EngineCore* const core_;
  const int index_;
  GeneratorCache generators_;
  std::vector<std::unique_ptr<RunningRow>> rows_;  // null: ended in this round
  int64_t turn_ = 0;
  int faults_in_a_row_ = 0;
  bool look_again_ = false;  // for versions that are not needed any more
  std::thread thread_;  // last: starts when all else exists
};

}  // namespace strata
