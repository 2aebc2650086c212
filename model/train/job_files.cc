#include "model/train/job_files.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "model/base/status_macros.h"
#include "model/version_dir.h"

namespace strata {
namespace {

void AddEval(const TrainEval& eval,
             std::map<std::string, std::string>* attributes) {
  const auto add = [&](const char* name, double value) {
    (*attributes)[name] = absl::StrFormat("%.6f", value);
  };
  if (eval.items == 0) return;
  add("eval_loss", eval.loss);
  (*attributes)["eval_items"] = absl::StrCat(eval.items);
  if (eval.accuracy.has_value()) {
    add("eval_accuracy", *eval.accuracy);
    add("eval_macro_f1", *eval.macro_f1);
  } else {
    add("eval_bits_per_byte", eval.bits_per_byte);
  }
}

}  // namespace

absl::Status StatusOfSignal(TrainObserver::Signal signal, absl::string_view how) {
  switch (signal) {
    case TrainObserver::Signal::kContinue:
      return absl::OkStatus();
    case TrainObserver::Signal::kCancel:
      return absl::CancelledError(absl::StrCat("cancelled ", how));
    case TrainObserver::Signal::kCheckpointAndStop:
      break;
  }
  return absl::AbortedError(absl::StrCat("stopped ", how));
}

absl::Status PollWhileLoading(TrainObserver* observer) {
  return StatusOfSignal(observer->Poll(), "while loading");
}

absl::StatusOr<Dataset> LoadData(const TrainRun& run,
                                 TrainObserver* observer) {
  STRATA_ASSIGN_OR_RETURN(const std::string sha256,
                          Sha256HexOfFile(run.dataset_path));
  if (!run.spec.dataset_sha256.empty() && sha256 != run.spec.dataset_sha256) {
    return absl::InvalidArgumentError(
        absl::StrCat("the stored dataset is damaged: its SHA-256 is ", sha256,
                     ", not ", run.spec.dataset_sha256,
                     "; upload the same file again"));
  }
  STRATA_RETURN_IF_ERROR(PollWhileLoading(observer));
  return ReadDataset(run.dataset_path);
}

absl::Status CannotReadBase(const TrainRun& run, const absl::Status& status) {
  return absl::DataLossError(absl::StrCat("base ", run.spec.base,
                                          " cannot be read: ",
                                          status.message()));
}

std::string ResultPath(const TrainRun& run) {
  return absl::StrCat(run.job_dir, "/result");
}

std::map<std::string, std::string> ResultAttributes(const TrainRun& run,
                                                    const TrainEval& eval) {
  std::map<std::string, std::string> attributes = {
      {"created", absl::FormatTime(absl::RFC3339_sec, absl::Now(),
                                   absl::UTCTimeZone())},
      {"base", BaseName(run.spec)}};
  AddEval(eval, &attributes);
  return attributes;
}

absl::Status NameFinalSave(absl::Status status) {
  if (!absl::IsResourceExhausted(status)) return status;
  return absl::ResourceExhaustedError(absl::StrCat(
      "STORAGE_FULL: the result cannot be saved: ", status.message()));
}

}  // namespace strata
