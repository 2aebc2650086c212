#include "model/trainer_wire.h"

#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "model/base/status_macros.h"
#include "model/json_object.h"

namespace strata {
namespace {

using Json = nlohmann::ordered_json;

std::string Dump(const Json& json) {
  // Messages may quote a user's bytes: what is not UTF-8 is replaced.
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

class Reader : public JsonObject {
 public:
  explicit Reader(const JsonObject& object) : JsonObject(object) {}

  using JsonObject::Get;
  // NaN is no JSON: it is written as null.
  void Get(const char* name, double* out) {
    if (!IsNull(name)) return JsonObject::Get(name, out);
    *out = std::numeric_limits<double>::quiet_NaN();
  }
  // Absent where it does not apply, and in what older versions wrote.
  void GetOptional(const char* name, std::optional<double>* out) {
    if (!Has(name)) return;
    double value = 0;
    Get(name, &value);
    *out = value;
  }
};

Json ProgressToJson(const TrainProgress& p) {
  return {{"type", "progress"},
          {"step", p.step},
          {"total_steps", p.total_steps},
          {"loss", p.loss},
          {"bits_per_byte", p.bits_per_byte},
          {"learning_rate", p.learning_rate},
          {"grad_norm", p.grad_norm},
          {"items_per_second", p.items_per_second},
          {"items_total", p.items_total},
          {"skipped_steps", p.skipped_steps},
          {"padding_fraction", p.padding_fraction},
          {"eta_seconds", p.eta_seconds}};
}

Json EvalToJson(const TrainEval& eval) {
  Json json = {{"type", "eval"},
               {"step", eval.step},
               {"loss", eval.loss},
               {"bits_per_byte", eval.bits_per_byte},
               {"items", eval.items}};
  if (eval.accuracy) json["accuracy"] = *eval.accuracy;
  if (eval.macro_f1) json["macro_f1"] = *eval.macro_f1;
  if (!eval.ngram_losses.empty()) json["ngram_losses"] = eval.ngram_losses;
  return json;
}

void ReadProgress(Reader* reader, TrainProgress* p) {
  reader->Get("step", &p->step);
  reader->Get("total_steps", &p->total_steps);
  reader->Get("loss", &p->loss);
  reader->Get("bits_per_byte", &p->bits_per_byte);
  reader->Get("learning_rate", &p->learning_rate);
  reader->Get("grad_norm", &p->grad_norm);
  reader->Get("items_per_second", &p->items_per_second);
  reader->Get("items_total", &p->items_total);
  reader->Get("skipped_steps", &p->skipped_steps);
  reader->Get("padding_fraction", &p->padding_fraction);
  reader->Get("eta_seconds", &p->eta_seconds);
}

void ReadEnded(Reader* reader, TrainEvent* event) {
  int code = 0;
  std::string message;
  reader->Get("code", &code);
  reader->Get("message", &message);
  event->status = absl::Status(static_cast<absl::StatusCode>(code), message);
}

// False: an unknown type.
bool ReadEvent(absl::string_view type, Reader* reader, TrainEvent* event) {
  using Type = TrainEvent::Type;
  if (type == "started") {
    event->type = Type::kStarted;
    reader->Get("resumed_from_step", &event->resumed_from_step);
    reader->Get("threads", &event->threads);
    reader->GetText("environment", &event->environment_json);
  } else if (type == "progress") {
    event->type = Type::kProgress;
    ReadProgress(reader, &event->progress);
  } else if (type == "eval") {
    event->type = Type::kEval;
    reader->Get("step", &event->eval.step);
    reader->Get("loss", &event->eval.loss);
    reader->Get("bits_per_byte", &event->eval.bits_per_byte);
    reader->Get("items", &event->eval.items);
    reader->GetOptional("accuracy", &event->eval.accuracy);
    reader->GetOptional("macro_f1", &event->eval.macro_f1);
    if (reader->Has("ngram_losses")) {
      reader->Get("ngram_losses", &event->eval.ngram_losses);
    }
  } else if (type == "checkpoint") {
    event->type = Type::kCheckpoint;
    reader->Get("step", &event->step);
    reader->Get("path", &event->path);
    reader->Get("bytes", &event->bytes);
  } else if (type == "warning") {
    event->type = Type::kWarning;
    reader->Get("code", &event->code);
    reader->Get("message", &event->message);
  } else if (type == "alive") {
    event->type = Type::kAlive;
  } else if (type == "ticket") {
    event->type = Type::kTicket;
  } else if (type == "slice") {
    event->type = Type::kSlice;
    reader->Get("seconds", &event->seconds);
  } else if (type == "ended") {
    event->type = Type::kEnded;
    ReadEnded(reader, event);
  } else {
    return false;
  }
  return true;
}

}  // namespace

std::string TrainEventToJson(const TrainEvent& e) {
  using Type = TrainEvent::Type;
  switch (e.type) {
    case Type::kStarted: {
      Json environment = Json::parse(e.environment_json, nullptr, false);
      if (!environment.is_object()) environment = Json::object();
      return Dump({{"type", "started"},
                   {"resumed_from_step", e.resumed_from_step},
                   {"threads", e.threads},
                   {"environment", environment}});
    }
    case Type::kProgress:
      return Dump(ProgressToJson(e.progress));
    case Type::kEval:
      return Dump(EvalToJson(e.eval));
    case Type::kCheckpoint:
      return Dump({{"type", "checkpoint"},
                   {"step", e.step},
                   {"path", e.path},
                   {"bytes", e.bytes}});
    case Type::kWarning:
      return Dump(
          {{"type", "warning"}, {"code", e.code}, {"message", e.message}});
    case Type::kAlive:
      return Dump({{"type", "alive"}});
    case Type::kTicket:
      return Dump({{"type", "ticket"}});
    case Type::kSlice:
      return Dump({{"type", "slice"}, {"seconds", e.seconds}});
    case Type::kEnded:
      break;
  }
  return Dump({{"type", "ended"},
               {"code", static_cast<int>(e.status.code())},
               {"message", std::string(e.status.message())}});
}

absl::StatusOr<TrainEvent> ParseTrainEvent(absl::string_view line) {
  STRATA_ASSIGN_OR_RETURN(const JsonObject object,
                          JsonObject::Parse(line, "trainer message"));
  Reader reader(object);
  std::string type;
  reader.Get("type", &type);
  STRATA_RETURN_IF_ERROR(reader.status());
  TrainEvent event;
  if (!ReadEvent(type, &reader, &event)) {
    return absl::InvalidArgumentError(
        absl::StrCat("trainer message: unknown type ", type));
  }
  STRATA_RETURN_IF_ERROR(reader.status());
  return event;
}

std::string TrainRunToJson(const TrainRun& run) {
  return Dump({{"job_dir", run.job_dir},
               {"dataset_path", run.dataset_path},
               {"base_dir", run.base_dir},
               {"tokenizer_path", run.tokenizer_path},
               {"fence", run.fence},
               {"micro_batch", run.micro_batch},
               {"device", run.device},
               {"shares_device", run.shares_device},
               {"save_within_seconds", run.save_within_seconds},
               {"heartbeat_seconds", run.heartbeat_seconds},
               {"spec", Json::parse(TrainSpecToJson(run.spec))}});
}

absl::StatusOr<TrainRun> ParseTrainRun(absl::string_view text) {
  STRATA_ASSIGN_OR_RETURN(const JsonObject object,
                          JsonObject::Parse(text, "trainer run"));
  Reader reader(object);
  TrainRun run;
  std::string spec;
  reader.Get("job_dir", &run.job_dir);
  reader.Get("dataset_path", &run.dataset_path);
  reader.Get("base_dir", &run.base_dir);
  reader.Get("tokenizer_path", &run.tokenizer_path);
  reader.Get("fence", &run.fence);
  reader.Get("micro_batch", &run.micro_batch);
  if (reader.Has("device")) reader.Get("device", &run.device);
  if (reader.Has("shares_device")) reader.Get("shares_device", &run.shares_device);
  reader.Get("save_within_seconds", &run.save_within_seconds);
  reader.Get("heartbeat_seconds", &run.heartbeat_seconds);
  reader.GetText("spec", &spec);
  STRATA_RETURN_IF_ERROR(reader.status());
  STRATA_ASSIGN_OR_RETURN(run.spec, ParseTrainSpec(spec));
  return run;
}

int TrainerExitCode(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return 0;
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kCancelled:
      return kTrainerExitUserError;
    case absl::StatusCode::kAborted:
    case absl::StatusCode::kResourceExhausted:
    case absl::StatusCode::kUnavailable:
      return kTrainerExitTemporary;
    default:
      return 1;
  }
}

}  // namespace strata
