#pragma once
// RunningRow: one sequence that a worker steps. It knows what to feed next and
// what the logits that come back mean; the worker knows when. A row is in
// prefill until its prompt is read (a scored text is nothing but prompt), then
// it decodes an item a step, or several where guesses hold. Of a request of several
// samples one row reads the prompt, then splits off a row for each of the others.
// Single owner thread (the worker).

#include <algorithm>
#include <memory>
#include <optional>
#include <vector>

#include "model/generator.h"
#include "server/engine/ending.h"
#include "server/engine/engine_core.h"
#include "server/engine/live_request.h"
#include "server/engine/output_assembler.h"
#include "server/engine/phase.h"
#include "server/engine/prefix_reuse.h"

namespace strata {

class RunningRow {
 public:
  // `core` and `generator` outlive the row.
  RunningRow(EngineCore* core, LiveRequestPtr live, Generator* generator,
             MonotonicTime started);

  // Makes the sequence. On error the row is of no use but for End.
  absl::Status Begin();

  Generator* generator() const { return generator_; }
  int64_t prefill_remaining() const { return to_read_ - read_; }
  // Of those, the most that the next step may feed.
  int64_t prefill_wanted() const {
    // Each scored place asks neighbours, one after another.
    constexpr int64_t kAskingPlaces = 64;
    const bool asks = scoring_ && asks_neighbours();
    const int64_t left = prefill_remaining();
    return reuse_.UntilKeep(read_, asks ? std::min(left, kAskingPlaces) : left);
  }
  // One more step of its worker comes: how many came before, with or without it.
  int64_t CountStep() { return steps_++; }
  RequestPhase phase() const;
  int64_t generated() const { return generated_; }
  bool asks_neighbours() const { return live_->request.neighbours.weight > 0; }
  // Whether it has taken part in a step since its prompt was read.
  bool joined() const { return joined_; }
  // REQUIRES: its prompt is read.
  PhasedRow phased() const {
    return {generator_, sequence_->size(), phase_period_, joined_};
  }

  // The ending that is due at this step boundary: cancelled, cut, expired, or
  // nothing left to do. Sends what a time limit leaves of the output.
  std::optional<Ending> Due(MonotonicTime now);

  // A request for at most `guesses` guesses before the next step. REQUIRES: its prompt
  // is read. Points into the row until Prepare.
  DraftRow PrepareDraft(int64_t guesses);
  // So many were made.
  void TakeDraft(int64_t guesses) { guesses_.resize(guesses); }

  // Feeds `items` items, and behind them the guesses taken. The result points into the
  // row until Advance.
  StepRow Prepare(int64_t items);
  // After a step that succeeded, before all else: what the neighbours say goes into the
  // logits of scored places and of the prompt's end. REQUIRES: its prompt is being read;
  // of a row that decodes it is known later which places count: ChooseItems.
  absl::Status ConsultNeighbours();
  // After a step that succeeded, before Advance, which it spares some time: draws the item
  // that follows, by itself, where nothing else has a say in it. On any thread; of several
  // rows at the same time.
  void DrawAhead();
  // After a step that succeeded: reports progress or a new item to the sink.
  // REQUIRES: nothing is to be split off.
  std::optional<Ending> Advance(MonotonicTime now);
  // After a step that succeeded, before Advance: the rows of the further samples if
  // this step read the prompt's end; they are advanced next, as this one.
  absl::StatusOr<std::vector<std::unique_ptr<RunningRow>>> SplitOff();

  // Leaves a snapshot of a sequence that came to a good end, frees it, then ends
  // the request.
  void End(const Ending& ending);

 private:
  std::unique_ptr<RunningRow> Sibling(int sample,
                                      std::unique_ptr<Sequence> sequence);
  std::optional<Ending> Expired(MonotonicTime now);
  std::optional<Ending> Score(MonotonicTime now);
  absl::Status ConsultAt(absl::Span<const float> hidden, absl::Span<float> logits) const;
  std::optional<Ending> Generate(MonotonicTime now);
  // Chooses items by the logits of the step until one is no guess that was fed, or the
  // text ends; takes back the guesses behind it.
  absl::Status ChooseItems(MonotonicTime now, std::optional<FinishReason>* reason);
  absl::StatusOr<Item> DrawItem(absl::Span<const float> logits) const;
  std::optional<FinishReason> Emit(Item item, MonotonicTime now);
  // Releases what is held back, sends it, and says how it went.
  Ending Finish(FinishReason reason, MonotonicTime now);
  void SendOutput();

  EngineCore* const core_;
  LiveRequestPtr live_;
  Generator* const generator_;
  PrefixReuse reuse_;
  std::unique_ptr<Sequence> sequence_;
  const bool scoring_;
  const int64_t to_read_;  // prompt items to feed before decoding
  int64_t read_ = 0;  // or found in a snapshot
  int64_t steps_ = 0;
  int64_t feeding_ = 0;  // items of the step in progress
  int64_t generated_ = 0;
  const int64_t phase_period_;
  std::vector<Item> guesses_;  // at what follows the newest item
  std::vector<Item> fed_;      // that item and they
  std::optional<absl::StatusOr<Item>> drawn_;  // ahead
  bool joined_ = false;  // it has decoded an item behind its prompt's first one
  std::vector<float> logits_;
  std::vector<float> hidden_;  // of the same items, where neighbours are asked
  std::vector<double> scores_;
  OutputAssembler output_;
  const MonotonicTime started_;
  MonotonicTime first_item_{};
  MonotonicTime last_item_{};
};

}  // namespace strata
