#include "server/engine/worker.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "model/base/log.h"
#include "model/base/thread_name.h"
#include "server/engine/phase.h"
#include "server/engine/scheduler.h"

namespace strata {
namespace {
// An idle worker keeps its executors for this long, then frees their memory. So
// long after it was told to let go of dead versions it looks again: somebody may
// have had one in hand for a moment.
constexpr MonotonicDuration kKeepExecutors = std::chrono::seconds(5);
}  // namespace

Worker::Worker(EngineCore* core, int index)
    : core_(core),
      index_(index),
      generators_({core->options().threads_per_worker, index}),
      thread_([this] { Run(); }) {}

Worker::~Worker() { thread_.join(); }

void Worker::Run() {
  NameThisThread("worker");
  while (TakeArrivals()) {
    EndDueRows();
    if (!rows_.empty()) StepRows();
    // Also what nobody is left to ask for: freed here, without a lock.
    if (!core_->prefixes().DropUnused().empty()) core_->PublishLevels();
    generators_.DropUnused();
  }
}

bool Worker::TakeArrivals() {
  const bool idle = rows_.empty();
  std::optional<MonotonicDuration> patience;
  if (idle && (!generators_.empty() || look_again_)) patience = kKeepExecutors;
  MonotonicTime before{};
  if (patience.has_value()) before = CondVar::Clock::now();
  AdmissionQueue::Intake intake = core_->queue().Take(index_, idle, patience);
  if (patience.has_value() && CondVar::Clock::now() - before >= *patience) {
    generators_.Clear();
    look_again_ = false;
  }
  if (intake.woken) look_again_ = true;
  for (LiveRequestPtr& live : intake.expired) {
    const Ending ending = ExpiredInQueue(live->request, core_->Now());
    core_->End(std::move(live), ending);
  }
  if (!intake.arrivals.empty()) core_->PublishLevels();
  for (LiveRequestPtr& live : intake.arrivals) Begin(std::move(live));
  if (!intake.evicted.empty()) {
    core_->observer().OnPrefixesEvicted(intake.evicted.size());
    intake.evicted.clear();
    core_->PublishLevels();
    return TakeArrivals();  // for whom they had to go
  }
  return !intake.stop || !rows_.empty();
}

void Worker::Begin(LiveRequestPtr live) {
  const MonotonicTime now = core_->Now();
  core_->observer().OnStarted(Seconds(now - live->request.arrival));
  const absl::StatusOr<Generator*> generator =
      generators_.Get(live->request.version);
  if (!generator.ok()) {
    core_->End(std::move(live),
               FaultEnding(RequestPhase::kPrefill, generator.status()));
    return;
  }
  auto row =
      std::make_unique<RunningRow>(core_, std::move(live), *generator, now);
  const absl::Status status = row->Begin();
  if (!status.ok()) {
    row->End(FaultEnding(RequestPhase::kPrefill, status));
    return;
  }
  rows_.push_back(std::move(row));
}

void Worker::EndDueRows() {
  const MonotonicTime now = core_->Now();
  for (size_t i = 0; i < rows_.size(); ++i) {
    const std::optional<Ending> ending = rows_[i]->Due(now);
    if (ending.has_value()) EndRow(i, *ending);
  }
  SweepEndedRows();
}

void Worker::StepRows() {
  std::vector<RowLoad> loads;
  loads.reserve(rows_.size());
  for (const auto& row : rows_) {
    loads.push_back({row->prefill_wanted(), row->CountStep()});
  }
  std::vector<int64_t> plan =
      PlanStep(loads, core_->options().prefill_items_per_step, turn_++);
  HoldForPhase(&plan);
  std::vector<Generator*> generators;  // in order of their first row
  std::vector<std::vector<size_t>> groups;
  for (size_t i = 0; i < rows_.size(); ++i) {
    if (plan[i] == 0) continue;
    const auto it = std::find(generators.begin(), generators.end(),
                              rows_[i]->generator());
    if (it == generators.end()) {
      generators.push_back(rows_[i]->generator());
      groups.emplace_back();
      groups.back().reserve(rows_.size());
      groups.back().push_back(i);
    } else {
      groups[it - generators.begin()].push_back(i);
    }
  }
  for (size_t g = 0; g < groups.size(); ++g) {
    StepVersion(generators[g], groups[g], plan);
  }
  SweepEndedRows();
}

void Worker::HoldForPhase(std::vector<int64_t>* plan) {
  // Those that joined never wait: mostly there is nobody to look at.
  if (std::none_of(rows_.begin(), rows_.end(), [](const auto& row) {
        return row->prefill_remaining() == 0 && !row->joined();
      })) {
    return;
  }
  std::vector<PhasedRow> decoding;
  std::vector<size_t> rows;
  for (size_t i = 0; i < rows_.size(); ++i) {
    if (rows_[i]->prefill_remaining() > 0) continue;
    decoding.push_back(rows_[i]->phased());
    rows.push_back(i);
  }
  const std::vector<bool> held = HeldForPhase(decoding);
  int64_t waiting = 0;
  for (size_t i = 0; i < rows.size(); ++i) {
    if (!held[i]) continue;
    (*plan)[rows[i]] = 0;
    ++waiting;
  }
  if (waiting > 0) core_->observer().OnHeld(waiting);
}

void Worker::StepVersion(Generator* generator, const std::vector<size_t>& rows,
                         const std::vector<int64_t>& plan) {
  const MonotonicTime begin = core_->queue().Beat(index_);
  std::vector<size_t> decoding;
  decoding.reserve(rows.size());
  int64_t prefill_items = 0;
  int64_t generated = 0;  // before the step
  for (const size_t i : rows) {
    if (rows_[i]->prefill_remaining() > 0) {
      prefill_items += plan[i];
    } else {
      decoding.push_back(i);
      generated += rows_[i]->generated();
    }
  }
  const bool drafting = MayDraft(generator, decoding.size());
  if (drafting) Draft(generator, decoding);
  std::vector<StepRow> batch;
  batch.reserve(rows.size());
  for (const size_t i : rows) batch.push_back(rows_[i]->Prepare(plan[i]));
  const MonotonicTime before = core_->Now();  // what follows is the model's
  const absl::Status status = generator->Step(batch);
  const MonotonicTime now = core_->Now();
  core_->observer().OnStep(Seconds(now - before), decoding.size(), prefill_items);
  CountFault(status);
  if (!status.ok()) {
    Log(Severity::kError, "step failed",
        {{"worker", index_},
         {"rows", static_cast<long>(rows.size())},
         {"error", status.ToString()}});
    for (const size_t i : rows) {
      EndRow(i, FaultEnding(rows_[i]->phase(), status));
    }
    return;
  }
  DrawAhead(generator, decoding);
  for (const size_t i : rows) {
    // Neighbours of many places take their time.
    if (rows_[i]->asks_neighbours()) core_->queue().Beat(index_);
    AdvanceRow(i, now);
  }
  if (!drafting || prefill_items > 0) return;
  for (const size_t i : decoding) {
    if (rows_[i] == nullptr) return;  // a last step may have been cut short
    generated -= rows_[i]->generated();
  }
  // Of each stream, so that more of them do not look like more speed.
  generators_.Drafting(generator)->Note(
      -static_cast<double>(generated) / static_cast<double>(decoding.size()),
      Seconds(core_->Now() - begin));
}

// No guesses while a stream waits for its phase, which those that run would leap past,
// nor of several that are in phase: some would leap farther than others.
bool Worker::MayDraft(const Generator* generator, size_t decode_rows) {
  if (!generators_.Drafting(generator)->may_guess()) return false;
  int64_t decoding = 0;
  bool phased = false;
  for (const auto& row : rows_) {
    if (row == nullptr || row->generator() != generator) continue;
    if (row->prefill_remaining() > 0) continue;
    ++decoding;
    phased = phased || row->phased().period > 1;
  }
  return decoding > 0 && decoding <= core_->options().draft_streams &&
         decoding == static_cast<int64_t>(decode_rows) && (decoding == 1 || !phased);
}

// Guesses are help that a step can do without: where making them fails there are none.
void Worker::Draft(Generator* generator, const std::vector<size_t>& rows) {
  const int64_t guesses = generators_.Drafting(generator)->guesses();
  std::vector<DraftRow> drafts;
  bool any = false;
  for (const size_t i : rows) {
    drafts.push_back(rows_[i]->PrepareDraft(guesses));
    any = any || !drafts.back().guesses.empty();
  }
  const bool made = any && generator->Draft(absl::MakeSpan(drafts)).ok();
  for (size_t i = 0; i < rows.size(); ++i) {
    rows_[rows[i]]->TakeDraft(made ? drafts[i].count : 0);
  }
}

// A draw takes a third of a microsecond: for a few of them no thread is asked.
void Worker::DrawAhead(Generator* generator, const std::vector<size_t>& rows) {
  constexpr size_t kAtOnce = 8;
  if (rows.size() < 2 * kAtOnce) return;
  const size_t parts = (rows.size() + kAtOnce - 1) / kAtOnce;
  generator->ParallelFor(static_cast<int64_t>(parts), [&](int64_t part) {
    const size_t begin = part * kAtOnce;
    const size_t end = std::min(begin + kAtOnce, rows.size());
    for (size_t i = begin; i < end; ++i) rows_[rows[i]]->DrawAhead();
  });
}

void Worker::AdvanceRow(size_t index, MonotonicTime now) {
  const auto advance = [&](size_t i) {
    const std::optional<Ending> ending = rows_[i]->Advance(now);
    if (ending.has_value()) EndRow(i, *ending);
  };
  if (rows_[index]->prefill_remaining() == 0) return advance(index);
  const absl::Status consulted = rows_[index]->ConsultNeighbours();
  if (!consulted.ok()) {
    EndRow(index, FaultEnding(rows_[index]->phase(), consulted));
    return;
  }
  auto siblings = rows_[index]->SplitOff();
  if (!siblings.ok()) {
    EndRow(index, FaultEnding(RequestPhase::kPrefill, siblings.status()));
    return;
  }
  const size_t first = rows_.size();
  for (auto& sibling : *siblings) rows_.push_back(std::move(sibling));
  advance(index);
  for (size_t i = first; i < rows_.size(); ++i) advance(i);
}

// A lack of memory is load, which says nothing about the executor.
void Worker::CountFault(const absl::Status& step) {
  if (absl::IsResourceExhausted(step)) return;
  faults_in_a_row_ = step.ok() ? 0 : faults_in_a_row_ + 1;
  if (faults_in_a_row_ >= kFaultsInARow) core_->OnRepeatedFault();
}

void Worker::EndRow(size_t index, const Ending& ending) {
  const std::unique_ptr<RunningRow> row = std::move(rows_[index]);
  row->End(ending);
}

void Worker::SweepEndedRows() {
  rows_.erase(std::remove(rows_.begin(), rows_.end(), nullptr), rows_.end());
}

}  // namespace strata
