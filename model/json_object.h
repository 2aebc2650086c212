#pragma once
// Strict reading of JSON objects: duplicate, unknown and missing members and
// wrong types are errors that name the member by its path ("levels[0].dim").
// The first fault sticks; read everything, then ask Finish, or status() where
// unknown members are legal. Values keep their
// initial state where a fault was found. Thread-compatible; children share the
// document, which lives as long as the last of them.
//
//   STRATA_ASSIGN_OR_RETURN(JsonObject object, JsonObject::Parse(text, "spec"));
//   object.Get("steps", &spec.steps);
//   STRATA_RETURN_IF_ERROR(object.Finish());

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace strata {

// Deeper arrays and objects in each other are refused.
inline constexpr int64_t kMaxJsonDepth = 64;

// Where and why a text is not one JSON value.
struct JsonError {
  bool duplicate_key = false;
  bool wrong_type = false;  // JSON, but not an object
  int64_t offset = 0;  // of the offending byte, from 0
  std::string message;
};

class JsonObject {
 public:
  // INVALID_ARGUMENT "WHAT: …". `what` names the text in messages.
  static absl::StatusOr<JsonObject> Parse(absl::string_view text,
                                          absl::string_view what);
  // As above, with the position of the fault for those who report it.
  static absl::StatusOr<JsonObject> Parse(absl::string_view text,
                                          absl::string_view what,
                                          JsonError* error);

  bool Has(absl::string_view name) const;
  bool IsNull(absl::string_view name) const;
  std::vector<std::string> Names() const;  // in byte order

  // Required members. Integers out of the type's range are faults.
  void Get(absl::string_view name, int* out);
  void Get(absl::string_view name, int64_t* out);
  void Get(absl::string_view name, uint64_t* out);
  void Get(absl::string_view name, double* out);
  void Get(absl::string_view name, bool* out);
  void Get(absl::string_view name, std::string* out);
  void Get(absl::string_view name, std::vector<int64_t>* out);
  void Get(absl::string_view name, std::vector<std::vector<int64_t>>* out);
  void Get(absl::string_view name, std::vector<double>* out);  // null: NaN
  void Get(absl::string_view name, std::vector<std::string>* out);
  void Get(absl::string_view name, std::map<std::string, std::string>* out);
  void Get(absl::string_view name, JsonObject* out);
  void Get(absl::string_view name, std::vector<JsonObject>* out);
  // An object, as JSON text.
  void GetText(absl::string_view name, std::string* out);

  // Records a fault of a member's value: "WHAT: path.name: message".
  void Fault(absl::string_view name, absl::string_view message);
  // The first fault of the whole document; unknown members of this object are
  // one. Call it on every child, then on the root.
  absl::Status Finish();
  // The first fault of the whole document so far; unknown members are none.
  const absl::Status& status() const;
  // The path of the member that it failed at; "" for none. Where that stands in
  // the text: model/json_place.h.
  const std::string& FaultPath() const;
  // The path of a member in messages: "levels[0].dim".
  std::string Path(absl::string_view name) const;

  JsonObject();  // empty: every Get is a fault
  JsonObject(const JsonObject&);
  JsonObject& operator=(const JsonObject&);
  ~JsonObject();

 private:
  struct Document;
  struct View;
  std::shared_ptr<Document> document_;
  std::shared_ptr<View> view_;
};

// A member that older texts lack, because there was no choice then: left as it is.
template <typename T>
void GetOptional(JsonObject* object, absl::string_view name, T* out) {
  if (object->Has(name)) object->Get(name, out);
}

}  // namespace strata
