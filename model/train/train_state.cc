#include "model/train/train_state.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

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

// Reads with a sticky fault instead of exceptions.
class Reader {
 public:
  int64_t Integer(const Json& json, const char* name) {
    const Json* v = Find(json, name);
    if (v != nullptr && v->is_number_integer()) return v->get<int64_t>();
    Fault(name);
    return 0;
  }
  double Number(const Json& json, const char* name) {
    const Json* v = Find(json, name);
    if (v != nullptr && v->is_number()) return v->get<double>();
    Fault(name);
    return 0;
  }
  std::string String(const Json& json, const char* name) {
    const Json* v = Find(json, name);
    if (v != nullptr && v->is_string()) return v->get<std::string>();
    Fault(name);
    return "";
  }
  const Json& Member(const Json& json, const char* name) {
    static const Json* const kNull = new Json();
    const Json* v = Find(json, name);
    if (v != nullptr) return *v;
    Fault(name);
    return *kNull;
  }
  // `n` integers.
  std::vector<int64_t> Integers(const Json& json, size_t n, const char* name) {
    std::vector<int64_t> out(n, 0);
    if (!json.is_array() || json.size() != n) {
      Fault(name);
      return out;
    }
    for (size_t i = 0; i < n; ++i) {
      if (json[i].is_number_integer()) {
        out[i] = json[i].get<int64_t>();
      } else {
        Fault(name);
      }
    }
    return out;
  }
  DataWindow Window(const Json& json, const char* name) {
    const std::vector<int64_t> v = Integers(json, 4, name);
    return {{v[0], v[1]}, {v[2], v[3]}};
  }
  void Fault(const char* name) {
    if (fault_.empty()) fault_ = name;
  }
  const std::string& fault() const { return fault_; }

 private:
  static const Json* Find(const Json& json, const char* name) {
    if (!json.is_object()) return nullptr;
    const auto it = json.find(name);
    return it == json.end() ? nullptr : &*it;
  }
  std::string fault_;
};

NonFiniteState ReadNonFinite(const Json& json, Reader* reader) {
  NonFiniteState s;
  s.skipped_steps = reader->Integer(json, "skipped_steps");
  s.consecutive = reader->Integer(json, "consecutive");
  s.rollbacks = reader->Integer(json, "rollbacks");
  s.lr_scale = reader->Number(json, "lr_scale");
  s.rewarm_from = reader->Integer(json, "rewarm_from");
  for (const Json& bad : reader->Member(json, "recent")) {
    s.recent.push_back({reader->Integer(bad, "step"),
                        reader->Window(reader->Member(bad, "rows"), "rows")});
  }
  for (const Json& window : reader->Member(json, "skip")) {
    s.skip.push_back(reader->Window(window, "skip"));
  }
  return s;
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
  const Json json = Json::parse(text.begin(), text.end(), nullptr, false);
  Reader reader;
  TrainState s;
  if (reader.Integer(json, "format_version") != 1) {
    reader.Fault("format_version");
  }
  s.step = reader.Integer(json, "step");
  s.updates = reader.Integer(json, "updates");
  const std::vector<int64_t> cursor =
      reader.Integers(reader.Member(json, "cursor"), 2, "cursor");
  s.cursor = {cursor[0], cursor[1]};
  s.non_finite = ReadNonFinite(reader.Member(json, "non_finite"), &reader);
  s.items_total = reader.Integer(json, "items_total");
  s.slots_total = reader.Integer(json, "slots_total");
  s.packing_version = static_cast<int>(reader.Integer(json, "packing_version"));
  s.spec_sha256 = reader.String(json, "spec_sha256");
  s.environment_json = reader.Member(json, "environment").dump();
  if (!reader.fault().empty()) {
    return absl::DataLossError(absl::StrCat(
        "trainer_state.json: ", reader.fault(), " is missing or malformed"));
  }
  return s;
}

}  // namespace strata
