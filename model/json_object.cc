#include "model/json_object.h"

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "model/json_place.h"

namespace strata {
namespace {

// An ordered one looks for each member among all before it.
using SortedJson = nlohmann::json;

// The library's message without its own prefix.
std::string Reason(const std::string& what) {
  const size_t bracket = what.find("] ");
  return bracket == std::string::npos ? what : what.substr(bracket + 2);
}

// Reads a text through, for its faults. A parse keeps the last of two equal keys;
// a reader that took the first would see another document, so both are refused.
// Not by the callback of the library's parser: after each object that looks
// through all of the array around it.
class FaultFinder : public nlohmann::json_sax<SortedJson> {
 public:
  FaultFinder(absl::string_view text, JsonError* error)
      : text_(text), error_(error) {}

  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(int64_t) override { return true; }
  bool number_unsigned(uint64_t) override { return true; }
  bool number_float(double, const std::string&) override { return true; }
  bool string(std::string&) override { return true; }
  bool binary(SortedJson::binary_t&) override { return true; }
  bool start_array(size_t) override { return Enter(); }
  bool end_array() override {
    --depth_;
    return true;
  }
  bool start_object(size_t) override {
    keys_.emplace_back();
    return Enter();
  }
  bool end_object() override {
    --depth_;
    keys_.pop_back();
    return true;
  }
  bool key(std::string& key) override {
    if (!keys_.back().insert(key).second && !error_->duplicate_key) {
      error_->duplicate_key = true;  // unless the text is broken further on
      error_->offset = JsonKeyPlace(text_, count_);
      error_->message = absl::StrCat("duplicate member \"", key, "\"");
    }
    ++count_;
    return true;
  }
  bool parse_error(size_t position, const std::string&,
                   const nlohmann::detail::exception& e) override {
    error_->duplicate_key = false;
    error_->offset = position > 0 ? static_cast<int64_t>(position) - 1 : 0;
    error_->message = Reason(e.what());
    return false;
  }

 private:
  // What prints a value calls itself for each value in it.
  bool Enter() {
    if (++depth_ <= kMaxJsonDepth) return true;
    error_->duplicate_key = false;
    error_->offset = JsonDepthPlace(text_, kMaxJsonDepth);
    error_->message = absl::StrCat("is nested deeper than ", kMaxJsonDepth);
    return false;
  }

  const absl::string_view text_;
  JsonError* const error_;
  int64_t depth_ = 0;
  std::vector<std::set<std::string>> keys_;
  int64_t count_ = 0;
};

// A value as messages show it.
std::string Shown(const SortedJson& v) {
  if (v.is_structured()) return v.is_array() ? "an array" : "an object";
  return v.dump(-1, ' ', false, SortedJson::error_handler_t::replace).substr(0, 40);
}

bool FitsInt64(const SortedJson& v) {
  return v.is_number_integer() &&
         !(v.is_number_unsigned() &&
           v.get<uint64_t>() > uint64_t{std::numeric_limits<int64_t>::max()});
}

// What an array of integers holds.
std::optional<std::vector<int64_t>> Integers(const SortedJson& v) {
  if (!v.is_array() || !std::all_of(v.begin(), v.end(), FitsInt64)) {
    return std::nullopt;
  }
  return v.get<std::vector<int64_t>>();
}

}  // namespace

struct JsonObject::Document {
  std::string what;
  SortedJson root;
  absl::Status status;
  std::string fault_path;
};

struct JsonObject::View {
  const SortedJson* json = nullptr;
  std::string path;  // "" or "levels[0]."
  std::set<std::string> seen;

  const SortedJson* Find(absl::string_view name) {
    if (json == nullptr) return nullptr;
    const std::string key(name);
    seen.insert(key);
    const auto it = json->find(key);
    return it == json->end() ? nullptr : &*it;
  }
};

JsonObject::JsonObject()
    : document_(std::make_shared<Document>()), view_(std::make_shared<View>()) {}
JsonObject::JsonObject(const JsonObject&) = default;
JsonObject& JsonObject::operator=(const JsonObject&) = default;
JsonObject::~JsonObject() = default;

absl::StatusOr<JsonObject> JsonObject::Parse(absl::string_view text,
                                             absl::string_view what) {
  JsonError error;
  return Parse(text, what, &error);
}

absl::StatusOr<JsonObject> JsonObject::Parse(absl::string_view text,
                                             absl::string_view what,
                                             JsonError* error) {
  *error = JsonError();
  JsonObject object;
  Document& document = *object.document_;
  document.what = std::string(what);
  FaultFinder finder(text, error);
  SortedJson::sax_parse(text.begin(), text.end(), &finder);
  if (error->message.empty()) {
    document.root = SortedJson::parse(text.begin(), text.end());
  }
  if (error->message.empty() && !document.root.is_object()) {
    error->wrong_type = true;
    error->offset = JsonPlace(text, "");
    error->message =
        absl::StrCat("is ", document.root.type_name(), "; must be an object");
  }
  if (!error->message.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(document.what, ": ", error->message));
  }
  object.view_->json = &document.root;
  return object;
}

bool JsonObject::Has(absl::string_view name) const {
  return view_->json != nullptr && view_->json->contains(std::string(name));
}

bool JsonObject::IsNull(absl::string_view name) const {
  return Has(name) && view_->json->find(std::string(name))->is_null();
}

std::vector<std::string> JsonObject::Names() const {
  std::vector<std::string> names;
  if (view_->json == nullptr) return names;
  for (const auto& item : view_->json->items()) names.push_back(item.key());
  return names;
}

std::string JsonObject::Path(absl::string_view name) const {
  return absl::StrCat(view_->path, name);
}

void JsonObject::Fault(absl::string_view name, absl::string_view message) {
  if (!document_->status.ok()) return;
  document_->fault_path = Path(name);
  document_->status = absl::InvalidArgumentError(absl::StrCat(
      document_->what, ": ", document_->fault_path, ": ", message));
}

const absl::Status& JsonObject::status() const { return document_->status; }

const std::string& JsonObject::FaultPath() const {
  return document_->fault_path;
}

absl::Status JsonObject::Finish() {
  for (const std::string& name : Names()) {
    if (view_->seen.count(name) == 0) Fault(name, "unknown member");
  }
  return document_->status;
}

void JsonObject::Get(absl::string_view name, int64_t* out) {
  const SortedJson* v = view_->Find(name);
  if (v == nullptr) return Fault(name, "is missing");
  if (!FitsInt64(*v)) {
    return Fault(name, absl::StrCat("is ", Shown(*v),
                                    "; must be an integer"));
  }
  *out = v->get<int64_t>();
}

void JsonObject::Get(absl::string_view name, int* out) {
  int64_t wide = *out;
  Get(name, &wide);
  if (wide < std::numeric_limits<int>::min() ||
      wide > std::numeric_limits<int>::max()) {
    return Fault(name, absl::StrCat("is ", wide, "; must fit in 32 bits"));
  }
  *out = static_cast<int>(wide);
}

void JsonObject::Get(absl::string_view name, uint64_t* out) {
  const SortedJson* v = view_->Find(name);
  if (v == nullptr) return Fault(name, "is missing");
  if (!v->is_number_unsigned()) {
    return Fault(name, absl::StrCat("is ", Shown(*v),
                                    "; must be an integer >= 0"));
  }
  *out = v->get<uint64_t>();
}

void JsonObject::Get(absl::string_view name, double* out) {
  const SortedJson* v = view_->Find(name);
  if (v == nullptr) return Fault(name, "is missing");
  if (!v->is_number()) return Fault(name, "must be a number");
  *out = v->get<double>();
}

void JsonObject::Get(absl::string_view name, bool* out) {
  const SortedJson* v = view_->Find(name);
  if (v == nullptr) return Fault(name, "is missing");
  if (!v->is_boolean()) return Fault(name, "must be true or false");
  *out = v->get<bool>();
}

void JsonObject::Get(absl::string_view name, std::string* out) {
  const SortedJson* v = view_->Find(name);
  if (v == nullptr) return Fault(name, "is missing");
  if (!v->is_string()) return Fault(name, "must be a string");
  *out = v->get<std::string>();
}

void JsonObject::Get(absl::string_view name, std::vector<int64_t>* out) {
  const SortedJson* v = view_->Find(name);
  if (v == nullptr) return Fault(name, "is missing");
  auto numbers = Integers(*v);
  if (!numbers) return Fault(name, "must be an array of integers");
  *out = *std::move(numbers);
}

void JsonObject::Get(absl::string_view name,
                     std::vector<std::vector<int64_t>>* out) {
  const SortedJson* v = view_->Find(name);
  if (v == nullptr) return Fault(name, "is missing");
  std::vector<std::vector<int64_t>> arrays;
  bool good = v->is_array();
  for (size_t i = 0; good && i < v->size(); ++i) {
    auto numbers = Integers((*v)[i]);
    good = numbers.has_value();
    if (good) arrays.push_back(*std::move(numbers));
  }
  if (!good) return Fault(name, "must be an array of arrays of integers");
  *out = std::move(arrays);
}

void JsonObject::Get(absl::string_view name, std::vector<double>* out) {
  const SortedJson* v = view_->Find(name);
  if (v == nullptr) return Fault(name, "is missing");
  std::vector<double> numbers;
  bool good = v->is_array();
  for (size_t i = 0; good && i < v->size(); ++i) {
    const SortedJson& number = (*v)[i];
    good = number.is_number() || number.is_null();
    if (good) {
      numbers.push_back(number.is_null()
                            ? std::numeric_limits<double>::quiet_NaN()
                            : number.get<double>());
    }
  }
  if (!good) return Fault(name, "must be an array of numbers");
  *out = std::move(numbers);
}

void JsonObject::Get(absl::string_view name, std::vector<std::string>* out) {
  const SortedJson* v = view_->Find(name);
  if (v == nullptr) return Fault(name, "is missing");
  if (!v->is_array()) return Fault(name, "must be an array of strings");
  std::vector<std::string> strings;
  for (const SortedJson& string : *v) {
    if (!string.is_string()) return Fault(name, "must be an array of strings");
    strings.push_back(string.get<std::string>());
  }
  *out = std::move(strings);
}

void JsonObject::Get(absl::string_view name,
                     std::map<std::string, std::string>* out) {
  const SortedJson* v = view_->Find(name);
  if (v == nullptr) return Fault(name, "is missing");
  if (!v->is_object()) return Fault(name, "must be an object of strings");
  std::map<std::string, std::string> strings;
  for (const auto& item : v->items()) {
    if (!item.value().is_string()) {
      return Fault(name, "must be an object of strings");
    }
    strings[item.key()] = item.value().get<std::string>();
  }
  *out = std::move(strings);
}

void JsonObject::Get(absl::string_view name, JsonObject* out) {
  const SortedJson* v = view_->Find(name);
  if (v == nullptr) return Fault(name, "is missing");
  if (!v->is_object()) return Fault(name, "must be an object");
  JsonObject child;
  child.document_ = document_;
  child.view_->json = v;
  child.view_->path = absl::StrCat(Path(name), ".");
  *out = child;
}

void JsonObject::Get(absl::string_view name, std::vector<JsonObject>* out) {
  const SortedJson* v = view_->Find(name);
  if (v == nullptr) return Fault(name, "is missing");
  if (!v->is_array()) return Fault(name, "must be an array of objects");
  std::vector<JsonObject> children;
  for (size_t i = 0; i < v->size(); ++i) {
    const std::string at = absl::StrCat(name, "[", i, "]");
    if (!(*v)[i].is_object()) return Fault(at, "must be an object");
    JsonObject child;
    child.document_ = document_;
    child.view_->json = &(*v)[i];
    child.view_->path = absl::StrCat(Path(at), ".");
    children.push_back(child);
  }
  *out = std::move(children);
}

void JsonObject::GetText(absl::string_view name, std::string* out) {
  const SortedJson* v = view_->Find(name);
  if (v == nullptr) return Fault(name, "is missing");
  if (!v->is_object()) return Fault(name, "must be an object");
  *out = v->dump(-1, ' ', false, SortedJson::error_handler_t::replace);
}

}  // namespace strata
