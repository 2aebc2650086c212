#include "model/train/datastore_job.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "model/base/clock.h"
#include "model/base/status_macros.h"
#include "model/datastore/datastore.h"
#include "model/datastore/neighbour_index.h"
#include "model/sampling.h"
#include "model/tokenizer.h"
#include "model/train/data_warnings.h"
#include "model/train/datastore_pieces.h"
#include "model/train/job_files.h"
#include "model/train/job_tokenizer.h"
#include "model/train/neighbour_tuning.h"
#include "model/train/piece_reader.h"
#include "model/train/split.h"
#include "model/train/step_folders.h"
#include "model/train/train_rate.h"
#include "model/version_dir.h"

namespace strata {
namespace {

absl::Status CheckKey(absl::Span<const float> key) {
  if (std::all_of(key.begin(), key.end(), [](float v) { return std::isfinite(v); })) {
    return absl::OkStatus();
  }
  return absl::FailedPreconditionError(
      "NON_FINITE: a hidden state of the base is not finite");
}

using Kind = NeighbourIndex::Kind;

class DatastoreJob {
 public:
  DatastoreJob(const TrainRun& run, absl::string_view environment,
               TrainObserver* observer)
      : run_(run), spec_(run.spec), environment_(environment), observer_(observer) {}

  absl::Status Run(Dataset dataset) {
    STRATA_RETURN_IF_ERROR(OpenBase(dataset.kind));
    STRATA_RETURN_IF_ERROR(Plan(std::move(dataset)));
    STRATA_RETURN_IF_ERROR(Restore());
    observer_->OnStarted(step_, spec_.threads, environment_);
    last_save_ = Clock::System()->Now();
    while (step_ < steps()) {
      STRATA_RETURN_IF_ERROR(Poll());
      STRATA_RETURN_IF_ERROR(Step());
      SaveIfDue();
    }
    STRATA_RETURN_IF_ERROR(Tune());
    STRATA_RETURN_IF_ERROR(Poll());
    return NameFinalSave(WriteResult());
  }

 private:
  int64_t steps() const { return static_cast<int64_t>(pieces_.size()); }

  absl::Status OpenBase(TemplateKind data);
  absl::Status Plan(Dataset dataset);
  absl::Status Restore();
  absl::Status Poll();
  absl::Status Step();
  void Report(const NeighbourTuning::Bits& bits, double seconds);
  void SaveIfDue();
  absl::Status Save();
  absl::Status Tune();
  absl::Status TuneOn(const DatastorePiece& piece, NeighbourTuning* tuning);
  absl::Status WriteResult();

  int64_t BytesOf(Item item) const {
    return IsText(item) ? static_cast<int64_t>(tokenizer_->BytesOf(item).size()) : 0;
  }

  const TrainRun& run_;
  const TrainSpec& spec_;
  const std::string environment_;
  TrainObserver* const observer_;

  std::unique_ptr<PieceReader> reader_;
  std::shared_ptr<const Tokenizer> tokenizer_;
  DataSplit data_;
  std::vector<DatastorePiece> pieces_;
  std::string folders_;
  DatastoreInfo info_;
  std::unique_ptr<NeighbourIndex> index_;
  int64_t step_ = 0;
  int64_t saved_step_ = 0;
  MonotonicTime last_save_;
  TrainRate rate_;
  TrainEval eval_;
};

absl::Status DatastoreJob::OpenBase(TemplateKind data) {
  const auto read = [&]() -> absl::StatusOr<TemplateKind> {
    STRATA_ASSIGN_OR_RETURN(reader_, PieceReader::Open(run_.base_dir, spec_.threads));
    STRATA_ASSIGN_OR_RETURN(tokenizer_,
                            TokenizerOfVersion(run_.base_dir, reader_->config()));
    STRATA_ASSIGN_OR_RETURN(const std::string json,
                            ReadFile(run_.base_dir + "/template.json"));
    return ParseTemplateJson(json);
  };
  const auto kind = read();
  if (absl::IsResourceExhausted(kind.status())) return kind.status();
  if (!kind.ok()) return CannotReadBase(run_, kind.status());
  STRATA_RETURN_IF_ERROR(CheckDatastoreData(*kind, data));
  return CheckSequence(spec_, reader_->config());
}

absl::Status DatastoreJob::Plan(Dataset dataset) {
  const auto poll = [&] { return PollWhileLoading(observer_); };
  data_ = SplitDataset(std::move(dataset), spec_.eval_fraction);
  STRATA_RETURN_IF_ERROR(EncodeSplit(*tokenizer_, poll, &data_));
  WarnOfCutDocuments(data_, spec_.sequence, observer_);
  pieces_ = CutPieces(data_.train, spec_.sequence);
  const int64_t all = EntriesOf(pieces_);
  if (pieces_.empty() || CutPieces(data_.held_out, spec_.sequence).empty()) {
    return absl::InvalidArgumentError(
        "the dataset has nothing to store, or nothing to hold out; a datastore needs "
        "both");
  }
  pieces_ = EvenPieces(std::move(pieces_), spec_.datastore.entries);
  if (pieces_.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "spec.datastore.entries: is ", spec_.datastore.entries,
        "; must be at least as many as one piece of spec.sequence = ", spec_.sequence,
        " items has"));
  }
  info_.dim = reader_->config().levels[0].dim;
  info_.entries = EntriesOf(pieces_);
  info_.max_k = static_cast<int>(
      std::min<int64_t>(spec_.datastore.neighbours, info_.entries));
  const bool few = info_.entries <= kExactEntries;
  const bool exact = spec_.datastore.index == kIndexExact ||
                     (spec_.datastore.index == kIndexAuto && few);
  if (exact && info_.entries > kMostExactEntries) {
    return absl::InvalidArgumentError(absl::StrCat(
        "spec.datastore.index: is exact; of ", info_.entries, " entries it must be graph, "
        "of at most ", kMostExactEntries, " it may be exact (spec.datastore.entries)"));
  }
  info_.kind = exact ? Kind::kExact : Kind::kGraph;
  if (info_.entries < all) {
    observer_->OnWarning("DATASTORE_PART",
                         absl::StrCat("the datastore holds ", info_.entries, " of ", all,
                                      " entries of the data, from parts that lie evenly "
                                      "in it; spec.datastore.entries is ",
                                      spec_.datastore.entries));
  }
  return absl::OkStatus();
}

absl::Status DatastoreJob::Restore() {
  STRATA_ASSIGN_OR_RETURN(folders_, OpenStepFolders(run_.job_dir));
  for (const int64_t step : StepFolders(folders_)) {
    STRATA_RETURN_IF_ERROR(PollWhileLoading(observer_));
    const std::string dir = StepFolder(folders_, step);
    absl::Status status = ReadManifest(dir, /*verify=*/true).status();
    if (status.ok()) {
      auto index = NeighbourIndex::Open(info_.kind, info_.dim,
                                        dir + "/" + kDatastoreIndex, /*grows=*/true);
      status = index.status();
      if (absl::IsResourceExhausted(status)) return status;
      if (index.ok() && (step > steps() || (*index)->capacity() != info_.entries)) {
        status = absl::DataLossError("is of another datastore");
      }
      if (status.ok()) {
        index_ = *std::move(index);
        step_ = saved_step_ = step;
        return absl::OkStatus();
      }
    }
    observer_->OnWarning("CHECKPOINT_CORRUPT",
                         absl::StrCat(dir, ": ", status.message()));
    RemoveFolder(dir).IgnoreError();
  }
  STRATA_ASSIGN_OR_RETURN(index_,
                          NeighbourIndex::Create(info_.kind, info_.dim, info_.entries));
  return absl::OkStatus();
}

absl::Status DatastoreJob::Poll() {
  const TrainObserver::Signal signal = observer_->Poll();
  if (signal == TrainObserver::Signal::kContinue) return absl::OkStatus();
  if (signal == TrainObserver::Signal::kCancel) {
    return absl::CancelledError("cancelled by request");
  }
  const absl::Status saved = saved_step_ == step_ ? absl::OkStatus() : Save();
  return absl::AbortedError(
      saved.ok() ? absl::StrCat("stopped by request; checkpoint at step ", step_)
                 : absl::StrCat("stopped by request without a new checkpoint: ",
                                saved.message()));
}

absl::Status DatastoreJob::Step() {
  const MonotonicTime begin = Clock::System()->Now();
  const DatastorePiece& piece = pieces_[step_];
  STRATA_RETURN_IF_ERROR(reader_->Read(data_.train[piece.document], piece.cut));
  NeighbourTuning::Bits bits;
  for (int64_t i = 0; i < reader_->size(); ++i) {
    if (!reader_->trained(i)) continue;
    const Item next = reader_->item(i);
    const absl::Span<const float> key = reader_->hidden(i);
    STRATA_RETURN_IF_ERROR(CheckKey(key));
    bits.Add(-LogProb(reader_->logits(i), next), BytesOf(next));
    STRATA_RETURN_IF_ERROR(index_->Add(key, next));
  }
  ++step_;
  Report(bits, Seconds(Clock::System()->Now() - begin));
  return absl::OkStatus();
}

void DatastoreJob::Report(const NeighbourTuning::Bits& bits, double seconds) {
  rate_.Add(bits.items, seconds);
  TrainProgress progress;
  progress.step = step_;
  progress.total_steps = steps();
  progress.loss = bits.loss();
  progress.bits_per_byte = bits.bits_per_byte();
  progress.items_per_second = rate_.ItemsPerSecond();
  progress.items_total = index_->size();
  progress.eta_seconds = rate_.SecondsFor(steps() - step_);
  observer_->OnProgress(progress);
}

void DatastoreJob::SaveIfDue() {
  const double since = Seconds(Clock::System()->Now() - last_save_);
  const bool early =
      run_.save_within_seconds > 0 && since >= run_.save_within_seconds;
  const bool due = step_ % spec_.checkpoint_every_steps == 0 ||
                   since >= spec_.checkpoint_every_seconds || early;
  // The last one is there whatever the tuning may come to.
  if (!due && step_ < steps()) return;
  const absl::Status saved = Save();
  last_save_ = Clock::System()->Now();
  if (saved.ok()) return;
  // The job outlives a failed save: the last checkpoint is still there.
  observer_->OnWarning(absl::IsResourceExhausted(saved) ? "STORAGE_FULL"
                                                        : "CHECKPOINT_FAILED",
                       saved.message());
}

absl::Status DatastoreJob::Save() {
  const std::string path = StepFolder(folders_, step_);
  RemoveFolder(path).IgnoreError();  // it did not verify
  STRATA_RETURN_IF_ERROR(CheckSpace(folders_, index_->bytes()));
  STRATA_ASSIGN_OR_RETURN(
      DirWriter writer,
      DirWriter::Create(path, absl::StrCat(run_.fence, "-", getpid())));
  STRATA_RETURN_IF_ERROR(index_->Save(writer.path() + "/" + kDatastoreIndex));
  STRATA_RETURN_IF_ERROR(writer.Commit({{"step", absl::StrCat(step_)},
                                        {"fence", absl::StrCat(run_.fence)}}));
  saved_step_ = step_;
  const std::vector<int64_t> there = StepFolders(folders_);
  for (size_t i = std::max(spec_.keep_checkpoints, 1); i < there.size(); ++i) {
    RemoveFolder(StepFolder(folders_, there[i])).IgnoreError();
  }
  STRATA_ASSIGN_OR_RETURN(const Manifest manifest,
                          ReadManifest(path, /*verify=*/false));
  observer_->OnCheckpoint(step_, path, FolderBytes(manifest));
  return absl::OkStatus();
}

absl::Status DatastoreJob::Tune() {
  NeighbourTuning tuning;
  int64_t left = spec_.eval_max_items;
  for (const DatastorePiece& piece : CutPieces(data_.held_out, spec_.sequence)) {
    if (left <= 0) break;
    STRATA_RETURN_IF_ERROR(Poll());
    STRATA_RETURN_IF_ERROR(TuneOn(piece, &tuning));
    left -= piece.entries;
  }
  info_.best = tuning.Best(info_.max_k);
  NeighbourParams alone = info_.best;
  alone.weight = 0;
  for (const bool with : {false, true}) {
    const auto bits = tuning.Sum(with ? info_.best : alone);
    eval_.step = with ? steps() : 0;
    eval_.loss = bits.loss();
    eval_.bits_per_byte = bits.bits_per_byte();
    eval_.items = bits.items;
    (with ? info_.bits_per_byte : info_.bits_per_byte_alone) = bits.bits_per_byte();
    observer_->OnEval(eval_);
  }
  if (info_.best.weight == 0) {
    observer_->OnWarning("NEIGHBOURS_OF_NO_USE",
                         "no weight of neighbours needs fewer bits for the held-out "
                         "text than none; requests use none unless they say so");
  }
  return absl::OkStatus();
}

absl::Status DatastoreJob::TuneOn(const DatastorePiece& piece,
                                  NeighbourTuning* tuning) {
  STRATA_RETURN_IF_ERROR(reader_->Read(data_.held_out[piece.document], piece.cut));
  for (int64_t i = 0; i < reader_->size(); ++i) {
    if (!reader_->trained(i)) continue;
    const Item next = reader_->item(i);
    const absl::Span<const float> key = reader_->hidden(i);
    STRATA_RETURN_IF_ERROR(CheckKey(key));
    STRATA_ASSIGN_OR_RETURN(const std::vector<Neighbour> nearest,
                            index_->Find(key, info_.max_k));
    tuning->Add(nearest, next, LogProb(reader_->logits(i), next), BytesOf(next));
  }
  return absl::OkStatus();
}

absl::Status DatastoreJob::WriteResult() {
  RemoveFolder(ResultPath(run_)).IgnoreError();  // it did not verify
  STRATA_ASSIGN_OR_RETURN(
      DirWriter writer,
      DirWriter::Create(ResultPath(run_), absl::StrCat(run_.fence, "-", getpid())));
  STRATA_ASSIGN_OR_RETURN(const Manifest base,
                          ReadManifest(run_.base_dir, /*verify=*/true));
  for (const ManifestFile& file : base.files) {
    if (file.name == kDatastoreInfo || file.name == kDatastoreIndex) continue;
    STRATA_RETURN_IF_ERROR(
        writer.AddFile(file.name, absl::StrCat(run_.base_dir, "/", file.name)));
  }
  STRATA_RETURN_IF_ERROR(index_->Save(writer.path() + "/" + kDatastoreIndex));
  STRATA_RETURN_IF_ERROR(
      writer.WriteFile(kDatastoreInfo, DatastoreInfoToJson(info_)));
  auto attributes = ResultAttributes(run_, eval_);
  attributes["datastore_entries"] = absl::StrCat(info_.entries);
  return writer.Commit(std::move(attributes));
}

}  // namespace

absl::Status BuildDatastore(const TrainRun& run, Dataset dataset,
                            absl::string_view environment, TrainObserver* observer) {
  return DatastoreJob(run, environment, observer).Run(std::move(dataset));
}

}  // namespace strata
