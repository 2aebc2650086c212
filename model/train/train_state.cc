#include "model/train/train_state.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "model/json_object.h"

namespace strata {
namespace {

using Json = nlohmann::ordered_json;

Json CursorToJson(const DataCursor& c) { return Json{c.epoch, c.row}; }

Json WindowToJson(const DataWindow& w) {
  return Json{w.begin.epoch, w.begin.row, w.end.epoch, w.end.row};
}

Json NonFiniteToJson(const NonFiniteState& s) {
  Json recent = Json::array();
  for (const BadStep& bad : s.recent) {
    recent.push_back(
        {{"step", bad.step}, {"rows", WindowToJson(bad.rows)}});
  }
  Json skip = Json::array();
  for (const DataWindow& window : s.skip) skip.push_back(WindowToJson(window));
  return {{"skipped_steps", s.skipped_steps}, {"consecutive", s.consecutive},
          {"rollbacks", s.rollbacks},         {"lr_scale", s.lr_scale},
          {"rewarm_from", s.rewarm_from},     {"recent", recent},
          {"skip", skip}};
}

// `n` integers.
std::vector<int64_t> Integers(const std::vector<int64_t>& read, size_t n,
                              const char* name, JsonObject* object) {
  if (read.size() == n) return read;
  object->Fault(name, absl::StrCat("must have ", n, " integers"));
  return std::vector<int64_t>(n, 0);
}

DataWindow Window(const std::vector<int64_t>& read, const char* name,
                  JsonObject* object) {
  const std::vector<int64_t> v = Integers(read, 4, name, object);
  return {{v[0], v[1]}, {v[2], v[3]}};
}

void ReadNonFinite(JsonObject* object, NonFiniteState* s) {
  std::vector<JsonObject> recent;
  std::vector<std::vector<int64_t>> skip;
  object->Get("skipped_steps", &s->skipped_steps);
  object->Get("consecutive", &s->consecutive);
  object->Get("rollbacks", &s->rollbacks);
  object->Get("lr_scale", &s->lr_scale);
  object->Get("rewarm_from", &s->rewarm_from);
  object->Get("recent", &recent);
  object->Get("skip", &skip);
  for (JsonObject& bad : recent) {
    BadStep step;
    std::vector<int64_t> rows;
    bad.Get("step", &step.step);
    bad.Get("rows", &rows);
    step.rows = Window(rows, "rows", &bad);
    s->recent.push_back(step);
  }
  for (const auto& window : skip) {
    s->skip.push_back(Window(window, "skip", object));
  }
}

}  // namespace

std::string TrainStateToJson(const TrainState& s) {
  Json environment = Json::parse(s.environment_json, nullptr, false);
  if (!environment.is_object()) environment = Json::object();
  const Json json = {{"format_version", 1},
                     {"step", s.step},
                     {"updates", s.updates},
                     {"cursor", CursorToJson(s.cursor)},
                     {"non_finite", NonFiniteToJson(s.non_finite)},
                     {"items_total", s.items_total},
                     {"slots_total", s.slots_total},
                     {"packing_version", s.packing_version},
                     {"spec_sha256", s.spec_sha256},
                     {"environment", environment}};
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

absl::StatusOr<TrainState> ParseTrainState(absl::string_view text) {
  auto object = JsonObject::Parse(text, "trainer_state.json");
  if (!object.ok()) return absl::DataLossError(object.status().message());
  TrainState s;
  int version = 0;
  JsonObject non_finite;
  std::vector<int64_t> cursor;
  object->Get("format_version", &version);
  if (version != 1) object->Fault("format_version", "must be 1");
  object->Get("step", &s.step);
  object->Get("updates", &s.updates);
  object->Get("cursor", &cursor);
  cursor = Integers(cursor, 2, "cursor", &*object);
  s.cursor = {cursor[0], cursor[1]};
  object->Get("non_finite", &non_finite);
  ReadNonFinite(&non_finite, &s.non_finite);
  object->Get("items_total", &s.items_total);
  object->Get("slots_total", &s.slots_total);
  object->Get("packing_version", &s.packing_version);
  object->Get("spec_sha256", &s.spec_sha256);
  object->GetText("environment", &s.environment_json);
  if (object->status().ok()) return s;
  return absl::DataLossError(object->status().message());
}

}  // namespace strata
