#include "model/train/train_loop.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "model/base/random.h"
#include "model/base/status_macros.h"
#include "model/nn/matrix_precision.h"
#include "model/nn/torch_guard.h"
#include "model/train/environment.h"
#include "model/train/grad_norm.h"
#include "model/train/job_files.h"
#include "model/train/lr_schedule.h"
#include "model/train/model_source.h"
#include "model/version_dir.h"

namespace strata {
namespace {

constexpr uint64_t kDropoutStream = uint64_t{3} << 62;
constexpr uint64_t kMaxMicroBatches = uint64_t{1} << 24;
constexpr auto kSaveRetry = std::chrono::seconds(10);
constexpr char kByRequest[] = "by request";

std::vector<NamedParameter> Joined(std::vector<NamedParameter> a,
                                   const std::vector<NamedParameter>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

}  // namespace

TrainLoop::TrainLoop(const TrainRun& run, TrainObserver* observer,
                     const TrainHooks& hooks, TrainTask* task,
                     CheckpointStore* checkpoints)
    : run_(run),
      observer_(observer),
      hooks_(hooks),
      task_(task),
      checkpoints_(checkpoints),
      weights_(Joined(Weights(task->module()), task->TrainingWeights())),
      optimizer_(weights_, {.beta1 = run.spec.beta1,
                            .beta2 = run.spec.beta2,
                            .epsilon = run.spec.epsilon,
                            .weight_decay = run.spec.weight_decay}),
      slices_(observer, weights_.at(0).tensor.device()) {}

std::vector<NamedParameter> TrainLoop::TrainingTensors() const {
  return Joined(Joined(optimizer_.State(), task_->TrainingWeights()),
                task_->CarriedTensors());
}

absl::Status TrainLoop::Poll() {
  return StatusOfSignal(observer_->Poll(), kByRequest);
}

absl::Status TrainLoop::BeginSlice() {
  return StatusOfSignal(slices_.Begin(), kByRequest);
}

// A stop drops what the step in progress did so far: nothing of it is in the
// weights or in the state, and a resumed run repeats it exactly.
absl::Status TrainLoop::StopWith(absl::Status signal) {
  if (!absl::IsAborted(signal)) return signal;
  if (saved_step_ != state_.step) {
    const absl::Status saved = Save();
    if (!saved.ok()) {
      return absl::AbortedError(absl::StrCat(
          signal.message(), " without a new checkpoint: ", saved.message()));
    }
  }
  return absl::AbortedError(
      absl::StrCat(signal.message(), "; checkpoint at step ", state_.step));
}

absl::Status TrainLoop::Run() {
  if (task_->empty()) {
    return absl::InvalidArgumentError("the dataset has nothing to train on");
  }
  STRATA_RETURN_IF_ERROR(Poll());
  STRATA_RETURN_IF_ERROR(Restore(checkpoints_->Steps()));
  observer_->OnStarted(state_.step, run_.spec.threads, state_.environment_json);
  last_save_ = Clock::System()->Now();
  while (true) {
    const absl::Status evaluated = EvaluateIfDue();
    if (!evaluated.ok()) return StopWith(evaluated);
    if (state_.step >= run_.spec.steps) return absl::OkStatus();
    step_begin_ = Clock::System()->Now();
    const DataCursor cursor = state_.cursor;
    absl::StatusOr<StepResult> result = ForwardBackward();
    if (!result.ok()) {
      state_.cursor = cursor;
      return StopWith(result.status());
    }
    STRATA_RETURN_IF_ERROR(FinishStep(*result));
    STRATA_RETURN_IF_ERROR(SaveIfDue());
  }
}

absl::Status TrainLoop::Restore(const std::vector<int64_t>& steps) {
  const std::string here = EnvironmentJson(run_.device);
  for (const int64_t step : steps) {
    STRATA_RETURN_IF_ERROR(Poll());
    const absl::Status restored = RestoreCheckpoint(step);
    if (restored.ok()) {
      const std::string difference =
          EnvironmentDifference(state_.environment_json, here);
      if (!difference.empty()) {
        observer_->OnWarning("NOT_BIT_EXACT",
                             absl::StrCat("resumed elsewhere: ", difference));
      }
      state_.environment_json = here;
      saved_step_ = step;
      return absl::OkStatus();
    }
    observer_->OnWarning("CHECKPOINT_CORRUPT",
                         absl::StrCat("checkpoint of step ", step,
                                      " is not used: ", restored.message()));
  }
  STRATA_RETURN_IF_ERROR(task_->ResetWeights());
  optimizer_.Reset();
  state_ = TrainState();
  state_.packing_version = task_->packing_version();
  state_.spec_sha256 = Sha256Hex(TrainSpecToJson(run_.spec));
  state_.environment_json = here;
  policy_ = NonFinitePolicy();
  saved_step_ = -1;
  return absl::OkStatus();
}

absl::Status TrainLoop::RestoreCheckpoint(int64_t step) {
  STRATA_ASSIGN_OR_RETURN(TrainState state, checkpoints_->ReadState(step));
  if (state.spec_sha256 != Sha256Hex(TrainSpecToJson(run_.spec)) ||
      state.packing_version != task_->packing_version()) {
    return absl::DataLossError("it belongs to another spec or packing");
  }
  STRATA_RETURN_IF_ERROR(
      checkpoints_->ReadTensors(step, task_, TrainingTensors()));
  policy_ = NonFinitePolicy(state.non_finite);
  state_ = std::move(state);
  return absl::OkStatus();
}

absl::StatusOr<TrainLoop::StepResult> TrainLoop::ForwardBackward() {
  const DataCursor begin = state_.cursor;
  StepResult result;
  result.counts = task_->Next(run_.spec.batch, policy_.state().skip,
                              &state_.cursor);
  result.rows = {begin, state_.cursor};
  const int64_t rows = result.counts.rows;
  const int64_t at_once = run_.rows_at_once();
  std::vector<torch::Tensor> losses;
  for (int64_t row = 0; row < rows; row += at_once) {
    STRATA_RETURN_IF_ERROR(BeginSlice());
    if (row == 0) optimizer_.ZeroGrad();
    STRATA_ASSIGN_OR_RETURN(
        losses.emplace_back(),
        MicroBatch(row, std::min(row + at_once, rows)));
  }
  // That of the update, which FinishStep ends: from here on no signal ends the step.
  STRATA_RETURN_IF_ERROR(BeginSlice());
  result.grad_norm = GlobalGradNorm(weights_);
  result.loss = at::stack(losses).to(at::kDouble).sum().item<double>();
  if (hooks_.after_backward) {
    hooks_.after_backward(state_, &result.loss);
  }
  return result;
}

absl::StatusOr<torch::Tensor> TrainLoop::MicroBatch(int64_t begin, int64_t end) {
  // Dropout draws from the process's generator: a function of (seed, step,
  // micro-batch) makes a resumed step draw the same.
  const uint64_t position =
      static_cast<uint64_t>(state_.step) * kMaxMicroBatches +
      static_cast<uint64_t>(begin);
  at::manual_seed(RandomBits(
      run_.spec.seed,
      kDropoutStream + static_cast<uint64_t>(policy_.state().rollbacks),
      position));
  return TorchGuard([&] {
    task_->module().train();
    const Bf16Products products(run_.spec.bf16);
    const TaskLoss loss = task_->Loss(begin, end);
    loss.minimised.backward();
    return loss.reported.detach();
  });
}

absl::Status TrainLoop::FinishStep(const StepResult& result) {
  const double rate =
      LearningRate(run_.spec, state_.step) *
      RollbackFactor(policy_.state().lr_scale, policy_.state().rewarm_from,
                     state_.step);
  const auto verdict = policy_.Judge(result.loss, result.grad_norm,
                                     state_.step, result.rows);
  task_->EndStep(verdict == NonFinitePolicy::Verdict::kUpdate);
  if (verdict == NonFinitePolicy::Verdict::kUpdate) {
    STRATA_RETURN_IF_ERROR(TorchGuard([&] {
      ClipGradients(weights_, result.grad_norm, run_.spec.clip_norm);
      optimizer_.Step(rate, ++state_.updates);
    }));
  } else {
    observer_->OnWarning(
        "NON_FINITE",
        absl::StrFormat("step %d: loss %g, gradient norm %g; not applied",
                        state_.step + 1, result.loss, result.grad_norm));
  }
  slices_.End();
  ++state_.step;
  state_.items_total += result.counts.items;
  state_.slots_total += result.counts.slots;
  state_.non_finite = policy_.state();
  ReportProgress(result, rate);
  if (verdict == NonFinitePolicy::Verdict::kGiveUp) {
    return absl::FailedPreconditionError(absl::StrCat(
        "NON_FINITE: loss or gradients are not finite at step ", state_.step,
        " and ", policy_.state().rollbacks,
        " roll-backs did not help; lower learning_rate"));
  }
  if (verdict == NonFinitePolicy::Verdict::kRollBack) return RollBack();
  return absl::OkStatus();
}

absl::Status TrainLoop::RollBack() {
  NonFinitePolicy policy = policy_;  // outlives what Restore loads
  const int64_t from = state_.step;
  STRATA_RETURN_IF_ERROR(Restore(checkpoints_->RollbackPoints(from)));
  checkpoints_->RemoveNewer(state_.step);
  policy.RolledBack(state_.step);
  policy_ = std::move(policy);
  state_.non_finite = policy_.state();
  evaluated_step_ = -1;
  observer_->OnWarning(
      "ROLLED_BACK",
      absl::StrFormat("from step %d to step %d, learning rate x %g", from,
                      state_.step, policy_.state().lr_scale));
  return absl::OkStatus();
}

void TrainLoop::ReportProgress(const StepResult& result, double rate) {
  rate_.Add(result.counts.items, Seconds(Clock::System()->Now() - step_begin_));
  TrainProgress p;
  p.step = state_.step;
  p.total_steps = run_.spec.steps;
  p.loss = result.loss;
  const double items_per_byte = task_->items_per_byte();
  if (items_per_byte > 0) {
    p.bits_per_byte = result.loss / std::log(2.0) * items_per_byte;
  }
  p.learning_rate = rate;
  p.grad_norm = result.grad_norm;
  p.items_per_second = rate_.ItemsPerSecond();
  p.items_total = state_.items_total;
  p.skipped_steps = state_.non_finite.skipped_steps;
  p.padding_fraction = 1.0 - static_cast<double>(state_.items_total) /
                                 static_cast<double>(state_.slots_total);
  p.eta_seconds = rate_.SecondsFor(run_.spec.steps - state_.step);
  observer_->OnProgress(p);
}

absl::Status TrainLoop::EvaluateIfDue() {
  const int64_t every = run_.spec.eval_every_steps;
  const bool last = state_.step >= run_.spec.steps;
  const bool due = state_.step > 0 && every > 0 && state_.step % every == 0;
  if (!task_->has_held_out() || evaluated_step_ == state_.step ||
      !(last || due)) {
    return absl::OkStatus();
  }
  absl::StatusOr<TrainEval> eval = task_->Evaluate([this] { return BeginSlice(); });
  slices_.End();
  STRATA_ASSIGN_OR_RETURN(eval_, std::move(eval));
  eval_.step = state_.step;
  evaluated_step_ = state_.step;
  observer_->OnEval(eval_);
  return absl::OkStatus();
}

absl::Status TrainLoop::SaveIfDue() {
  const TrainSpec& spec = run_.spec;
  const MonotonicTime now = Clock::System()->Now();
  const bool by_step = spec.checkpoint_every_steps > 0 &&
                       state_.step % spec.checkpoint_every_steps == 0;
  const double since = Seconds(now - last_save_);
  const bool by_time =
      (spec.checkpoint_every_seconds > 0 &&
       since >= spec.checkpoint_every_seconds) ||
      (run_.save_within_seconds > 0 && since >= run_.save_within_seconds);
  const bool retry = save_failed_ && now >= retry_save_at_;
  if (!(by_step || by_time || retry) || !policy_.healthy() ||
      state_.step == saved_step_ || state_.step >= spec.steps) {
    return absl::OkStatus();
  }
  // Training outlives a failed save: the last checkpoint is still there.
  Save().IgnoreError();
  return absl::OkStatus();
}

absl::Status TrainLoop::Save() {
  last_save_ = Clock::System()->Now();
  if (!AllFinite(weights_)) {
    observer_->OnWarning("CHECKPOINT_FAILED", "a weight is not finite");
    return absl::FailedPreconditionError("a weight is not finite");
  }
  const auto saved = checkpoints_->Save(state_, *task_, TrainingTensors());
  save_failed_ = !saved.ok();
  if (!saved.ok()) {
    retry_save_at_ = Clock::System()->Now() + kSaveRetry;
    observer_->OnWarning(absl::IsResourceExhausted(saved.status())
                             ? "STORAGE_FULL"
                             : "CHECKPOINT_FAILED",
                         saved.status().message());
    return saved.status();
  }
  saved_step_ = state_.step;
  last_save_ = Clock::System()->Now();
  observer_->OnCheckpoint(state_.step, saved->path, saved->bytes);
  return absl::OkStatus();
}

}  // namespace strata
