#include "server/engine/running_row.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "model/base/status_macros.h"
#include "model/neighbours.h"
#include "model/sampling.h"

namespace strata {
namespace {
constexpr double kLn2 = 0.69314718055994530942;
}  // namespace

RunningRow::RunningRow(EngineCore* core, LiveRequestPtr live,
                       Generator* generator, MonotonicTime started)
    : core_(core),
      live_(std::move(live)),
      generator_(generator),
      reuse_(core, live_.get(), generator),
      scoring_(live_->request.kind == EngineRequest::Kind::kScore),
      // The last item of a scored text predicts nothing that is asked for.
      to_read_(live_->prompt_items - (scoring_ ? 1 : 0)),
      phase_period_(PhasePeriod(live_->request.version->weights->config(),
                                core->options().phase_wait)),
      output_(live_->request.stop, live_->request.version->tokenizer),
      started_(started) {}

absl::Status RunningRow::Begin() {
  STRATA_ASSIGN_OR_RETURN(sequence_, reuse_.Begin());
  read_ = reuse_.cached_items();
  return absl::OkStatus();
}

RequestPhase RunningRow::phase() const {
  return scoring_ || prefill_remaining() > 0 ? RequestPhase::kPrefill
                                             : RequestPhase::kDecode;
}

std::optional<Ending> RunningRow::Due(MonotonicTime now) {
  if (live_->group->cancelled.load(std::memory_order_relaxed)) {
    return CancelledEnding(phase());
  }
  if (core_->queue().cut()) return CutEnding(phase());
  if (live_->expires.has_value() && now >= *live_->expires) {
    return Expired(now);
  }
  // A text of one item has nothing to be scored.
  if (scoring_ && prefill_remaining() == 0) return ScoredEnding({});
  return std::nullopt;
}

// The RPC's deadline is an error; a time limit is a finish of its own kind, for
// a generation: half of a text's scores are of no use.
std::optional<Ending> RunningRow::Expired(MonotonicTime now) {
  const auto& deadline = live_->request.deadline;
  if (scoring_ || (deadline.has_value() && now >= *deadline)) {
    return DeadlineEnding(phase());
  }
  return Finish(FinishReason::kDeadline, now);
}

DraftRow RunningRow::PrepareDraft(int64_t guesses) {
  // The last item of all is chosen, not fed.
  const int64_t fed = live_->max_generated - generated_ - 1;
  guesses_.resize(std::clamp<int64_t>(guesses, 0, fed));
  return {sequence_.get(), live_->request.items.back(), absl::MakeSpan(guesses_)};
}

StepRow RunningRow::Prepare(int64_t items) {
  const size_t vocab = live_->request.version->weights->config().vocab;
  const absl::Span<const Item> all(live_->request.items);
  StepRow row;
  row.sequence = sequence_.get();
  feeding_ = items;
  if (prefill_remaining() == 0) {
    fed_ = {all.back()};
    fed_.insert(fed_.end(), guesses_.begin(), guesses_.end());
    row.items = fed_;
    row.drafts = static_cast<int64_t>(guesses_.size());
    items = row.drafts + 1;
    joined_ = true;
  } else {
    row.items = all.subspan(read_, items);
    if (!scoring_ && items < prefill_remaining()) return row;
  }
  const size_t wanted = scoring_ || row.drafts > 0 ? items : 1;
  logits_.resize(vocab * wanted);
  row.logits = absl::MakeSpan(logits_);
  if (asks_neighbours()) {
    hidden_.resize(live_->request.version->weights->config().levels[0].dim * wanted);
    row.hidden = absl::MakeSpan(hidden_);
  }
  return row;
}

absl::Status RunningRow::ConsultNeighbours() {
  const bool wanted = scoring_ || feeding_ >= prefill_remaining();
  return wanted ? ConsultAt(hidden_, absl::MakeSpan(logits_)) : absl::OkStatus();
}

absl::Status RunningRow::ConsultAt(absl::Span<const float> hidden,
                                   absl::Span<float> logits) const {
  const EngineRequest& request = live_->request;
  if (!asks_neighbours()) return absl::OkStatus();
  return strata::ConsultNeighbours(
      *request.version->neighbours, request.neighbours, hidden,
      request.version->weights->config().levels[0].dim, logits);
}

absl::StatusOr<std::vector<std::unique_ptr<RunningRow>>> RunningRow::SplitOff() {
  std::vector<std::unique_ptr<RunningRow>> siblings;
  SampleGroup& group = *live_->group;
  if (group.split || scoring_ || feeding_ < prefill_remaining()) return siblings;
  for (int sample = 1; sample < live_->request.samples; ++sample) {
    STRATA_ASSIGN_OR_RETURN(auto sequence, generator_->Fork(*sequence_));
    siblings.push_back(Sibling(sample, std::move(sequence)));
  }
  group.split = true;
  group.open = live_->request.samples;
  return siblings;
}

std::unique_ptr<RunningRow> RunningRow::Sibling(
    int sample, std::unique_ptr<Sequence> sequence) {
  auto live = std::make_shared<LiveRequest>();
  live->request = live_->request;
  live->request.sampling.seed += sample;
  live->sample = sample;
  live->group = live_->group;
  live->prompt_items = live_->prompt_items;
  live->capacity = live_->capacity;
  live->state_bytes = live_->state_bytes / live_->request.samples;
  live->max_generated = live_->max_generated;
  live->expires = live_->expires;
  live->lease = live_->lease.SplitOff(live->state_bytes);
  auto row = std::make_unique<RunningRow>(core_, std::move(live), generator_,
                                          started_);
  row->sequence_ = std::move(sequence);
  row->reuse_.Follow(reuse_);
  row->read_ = to_read_;
  row->logits_ = logits_;
  return row;
}

std::optional<Ending> RunningRow::Advance(MonotonicTime now) {
  if (prefill_remaining() > 0) {
    read_ += feeding_;
    core_->observer().OnItems(feeding_, 0);
    live_->request.sink->OnProgress(read_, to_read_);
    if (scoring_) return Score(now);
    if (prefill_remaining() > 0) {
      reuse_.Keep(*sequence_);
      return std::nullopt;
    }
  }
  return Generate(now);
}

std::optional<Ending> RunningRow::Score(MonotonicTime now) {
  const size_t vocab = logits_.size() / feeding_;
  for (int64_t i = 0; i < feeding_; ++i) {
    const Item next = live_->request.items[read_ - feeding_ + i + 1];
    const double ln = LogProb(
        absl::MakeConstSpan(logits_).subspan(i * vocab, vocab), next);
    if (std::isnan(ln)) {
      return FaultEnding(phase(), absl::InternalError(
                                      "the model produced a logit that is not "
                                      "a number"));
    }
    scores_.push_back(ln / kLn2);
  }
  if (prefill_remaining() > 0) return std::nullopt;
  return ScoredEnding(std::move(scores_));
}

std::optional<Ending> RunningRow::Generate(MonotonicTime now) {
  const bool first = generated_ == 0;
  std::optional<FinishReason> reason;
  const absl::Status status = ChooseItems(now, &reason);
  if (!status.ok()) return FaultEnding(phase(), status);
  if (reason.has_value()) return Finish(*reason, now);
  SendOutput();
  // The prompt's own, now that its first item is on its way.
  if (first) reuse_.Keep(*sequence_);
  return std::nullopt;
}

absl::StatusOr<Item> RunningRow::DrawItem(absl::Span<const float> logits) const {
  const std::vector<Item>& items = live_->request.items;
  const SamplingParams& sampling = live_->request.sampling;
  const size_t window = std::min<size_t>(items.size(), sampling.repetition_window);
  return SampleItem(logits, sampling, static_cast<int64_t>(items.size()),
                    absl::MakeConstSpan(items).last(window));
}

void RunningRow::DrawAhead() {
  if (asks_neighbours() || !guesses_.empty()) return;
  drawn_ = DrawItem(logits_);
}

absl::Status RunningRow::ChooseItems(MonotonicTime now,
                                     std::optional<FinishReason>* reason) {
  const size_t guesses = guesses_.size();
  const size_t vocab = logits_.size() / (guesses + 1);
  const size_t dim = hidden_.size() / (guesses + 1);
  const bool decoded = generated_ > 0;  // else ConsultNeighbours has seen to it
  size_t accepted = 0;
  for (;; ++accepted) {
    const absl::Span<float> logits =
        absl::MakeSpan(logits_).subspan(accepted * vocab, vocab);
    if (decoded) {
      STRATA_RETURN_IF_ERROR(
          ConsultAt(absl::MakeConstSpan(hidden_).subspan(accepted * dim, dim), logits));
    }
    const absl::StatusOr<Item> drawn = drawn_.has_value() ? *drawn_ : DrawItem(logits);
    drawn_.reset();
    STRATA_ASSIGN_OR_RETURN(const Item item, drawn);
    live_->request.items.push_back(item);
    ++generated_;
    *reason = Emit(item, now);
    if (reason->has_value() || accepted == guesses || item != guesses_[accepted]) {
      break;
    }
  }
  if (guesses == 0) return absl::OkStatus();
  core_->observer().OnDrafts(guesses, accepted);
  guesses_.clear();
  return generator_->Rewind(sequence_.get(), guesses - accepted);
}

std::optional<FinishReason> RunningRow::Emit(Item item, MonotonicTime now) {
  if (generated_ == 1) {
    first_item_ = now;
    if (live_->sample == 0) core_->observer().OnFirstItem(Seconds(now - live_->request.arrival));
  } else {
    core_->observer().OnInterItem(Seconds(now - last_item_));
  }
  last_item_ = now;
  core_->observer().OnItems(0, 1);
  if (item == kEos) return FinishReason::kEos;
  if (output_.Add(item)) return FinishReason::kStop;
  if (generated_ < live_->max_generated) return std::nullopt;
  return live_->max_generated < live_->request.max_items
             ? FinishReason::kContextLimit
             : FinishReason::kMaxTokens;
}

Ending RunningRow::Finish(FinishReason reason, MonotonicTime now) {
  output_.Finish();
  SendOutput();
  const MonotonicTime arrival = live_->request.arrival;
  FinishInfo info;
  info.sample = live_->sample;
  info.reason = reason;
  info.matched_stop = output_.matched_stop();
  info.prompt_items = live_->prompt_items;
  info.cached_items = reuse_.cached_items();
  info.generated_items = generated_;
  info.queue_seconds = Seconds(started_ - arrival);
  const bool any = generated_ > 0;
  info.prefill_seconds = Seconds((any ? first_item_ : now) - started_);
  info.first_item_seconds = any ? Seconds(first_item_ - arrival) : 0;
  info.total_seconds = Seconds(now - arrival);
  return FinishedEnding(info);
}

void RunningRow::SendOutput() {
  OutputDelta delta = output_.Take();
  if (delta.data.empty() && delta.text.empty()) return;
  delta.sample = live_->sample;
  live_->request.sink->OnDelta(delta);
}

void RunningRow::End(const Ending& ending) {
  if (ending.finish.has_value()) reuse_.KeepLast(std::move(sequence_));
  sequence_.reset();
  core_->End(std::move(live_), ending);
}

}  // namespace strata
