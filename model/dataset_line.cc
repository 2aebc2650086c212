#include "model/dataset_line.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "model/base/utf8.h"
#include "model/document_config.h"
#include "model/json_object.h"
#include "model/json_place.h"

namespace strata {
namespace {

// What is wrong with the member at `path` of a line.
struct Finding {
  absl::string_view code;
  std::string path;
  std::string message;
};

Finding Fault(absl::string_view code, absl::string_view path,
              absl::string_view message) {
  return {code, std::string(path), std::string(message)};
}

DatasetError FaultAt(int64_t offset, absl::string_view code,
                     absl::string_view message) {
  DatasetError error;
  error.column = offset + 1;
  error.code = std::string(code);
  error.message = std::string(message);
  return error;
}

// A member that must be a string; the first fault sticks.
class Members {
 public:
  Members(JsonObject* object, std::string prefix)
      : object_(object), prefix_(std::move(prefix)) {}

  std::string String(const char* name) {
    std::string value;
    if (fault_) return value;
    const std::string path = prefix_ + name;
    if (!object_->Has(name)) {
      fault_ = Fault("missing_field", path, absl::StrCat("\"", path, "\" is missing"));
      return value;
    }
    object_->Get(name, &value);
    // Unknown members are legal here; only what was read can be a fault.
    if (!object_->status().ok()) {
      fault_ = Fault("wrong_type", path,
                     absl::StrCat("\"", path, "\" must be a string"));
    } else if (value.find('\0') != std::string::npos) {
      fault_ = Fault("nul_byte", path,
                     absl::StrCat("\"", path, "\" holds a NUL byte"));
    }
    return value;
  }

  const std::optional<Finding>& fault() const { return fault_; }

 private:
  JsonObject* const object_;
  const std::string prefix_;
  std::optional<Finding> fault_;
};

std::optional<Finding> ReadCompletion(JsonObject* object, Document* document) {
  Members members(object, "");
  const std::string prompt = members.String("prompt");
  const std::string completion = members.String("completion");
  if (members.fault()) return members.fault();
  if (completion.empty()) {
    return Fault("empty_text", "completion",
                 "\"completion\" is empty: nothing to learn");
  }
  *document = CompletionDocument(prompt, completion);
  return std::nullopt;
}

std::optional<Finding> ReadLabelled(JsonObject* object, Document* document) {
  Members members(object, "");
  const std::string text = members.String("text");
  const std::string label = members.String("label");
  if (members.fault()) return members.fault();
  if (absl::StripAsciiWhitespace(text).empty()) {
    return Fault("empty_text", "text", "\"text\" is empty: nothing to read");
  }
  if (label.empty() || label.size() > kMaxLabelBytes) {
    return Fault("bad_label", "label",
                 absl::StrCat("\"label\" is ", label.size(),
                              " bytes; must be 1 to ", kMaxLabelBytes));
  }
  *document = LabelledDocument(text, label);
  return std::nullopt;
}

std::optional<Finding> CheckTurns(const std::vector<ChatMessage>& messages) {
  for (size_t i = 0; i < messages.size(); ++i) {
    const ChatMessage& message = messages[i];
    const std::string at = absl::StrCat("messages[", i, "]");
    if (message.role != "system" && message.role != "user" &&
        message.role != "assistant") {
      return Fault("bad_role", at + ".role",
                   absl::StrCat(at, ".role is \"", message.role,
                                "\"; must be system, user or assistant"));
    }
    if (message.content.empty()) {
      return Fault("empty_text", at + ".content",
                   absl::StrCat(at, ".content is empty"));
    }
  }
  const absl::Status order = ValidateMessages(messages, false);
  if (!order.ok()) {  // its message begins with the path
    const absl::string_view message = order.message();
    return Fault("role_order", message.substr(0, message.find(':')), message);
  }
  const bool replies =
      std::any_of(messages.begin(), messages.end(),
                  [](const ChatMessage& m) { return m.role == "assistant"; });
  if (!replies) {
    return Fault("no_assistant_turn", "messages",
                 "no assistant message: nothing to learn");
  }
  return std::nullopt;
}

std::optional<Finding> ReadChat(JsonObject* object, Document* document) {
  if (!object->Has("messages")) {
    return Fault("missing_field", "",
                 object->Has("prompt")
                     ? "\"messages\" is missing: the first line is a chat, so "
                       "every line must be one"
                     : "\"messages\" (or \"prompt\" and \"completion\", or "
                       "\"text\" and \"label\") is missing");
  }
  std::vector<JsonObject> entries;
  object->Get("messages", &entries);
  if (!object->status().ok()) {
    return Fault("wrong_type", object->FaultPath(),
                 "\"messages\" must be an array of objects");
  }
  if (entries.empty()) return Fault("empty_text", "messages", "\"messages\" is empty");
  std::vector<ChatMessage> messages;
  for (size_t i = 0; i < entries.size(); ++i) {
    Members members(&entries[i], absl::StrCat("messages[", i, "]."));
    ChatMessage message;
    message.role = members.String("role");
    message.content = members.String("content");
    if (members.fault()) return members.fault();
    messages.push_back(std::move(message));
  }
  if (auto fault = CheckTurns(messages)) return fault;
  *document = ChatDocument(messages);
  return std::nullopt;
}

}  // namespace

TemplateKind DetectKind(absl::string_view line) {
  line = absl::StripAsciiWhitespace(line);
  const absl::string_view whole = line;
  if (!absl::ConsumePrefix(&line, "{")) return TemplateKind::kText;
  line = absl::StripLeadingAsciiWhitespace(line);
  // Broken JSON is refused, never learnt as text; prose and code may begin with
  // a brace as well, but do not close it on their first line.
  const bool json = !line.empty() && (line.front() == '"' || line.back() == '}');
  if (!json) return TemplateKind::kText;
  // By its members; of a line that does not parse, by what looks like one.
  const auto parsed = JsonObject::Parse(whole, "line");
  const auto has = [&](absl::string_view member) {
    return parsed.ok() ? parsed->Has(member)
                       : absl::StrContains(line, absl::StrCat("\"", member, "\""));
  };
  if (has("messages")) return TemplateKind::kChat;
  if (has("prompt")) return TemplateKind::kCompletion;
  return has("label") ? TemplateKind::kLabel : TemplateKind::kChat;
}

bool MayBeginJson(absl::string_view text) {
  text = absl::StripLeadingAsciiWhitespace(text);
  return !text.empty() && (text.front() == '{' || text.front() == '[');
}

std::optional<DatasetError> FindJsonDocument(absl::string_view text) {
  absl::string_view rest = absl::StripLeadingAsciiWhitespace(text);
  const size_t start = text.size() - rest.size();
  const bool array = absl::ConsumePrefix(&rest, "[");
  rest = absl::StripLeadingAsciiWhitespace(rest);
  if (rest.empty() || rest.front() != '{') return std::nullopt;
  const size_t end = JsonValueEnd(rest, 0);
  if (end == absl::string_view::npos) return std::nullopt;
  const auto object = JsonObject::Parse(rest.substr(0, end), "text");
  if (!object.ok() || object->Names().empty()) return std::nullopt;
  rest = absl::StripLeadingAsciiWhitespace(rest.substr(end));
  const bool goes_on = rest.empty() || rest.front() == ',' || rest.front() == ']';
  if (array && !goes_on) return std::nullopt;
  return FaultAt(
      static_cast<int64_t>(start), "not_json_lines",
      array ? "a JSON array; write each of its objects on a line of its own "
              "(jq -c '.[]' FILE)"
            : "a JSON object of several lines; write each object on one line "
              "(jq -c . FILE)");
}

std::optional<DatasetError> ParseDatasetLine(absl::string_view line,
                                             TemplateKind kind,
                                             Document* document) {
  const size_t nul = line.find('\0');
  if (nul != absl::string_view::npos) {
    return FaultAt(nul, "nul_byte", "the line holds a NUL byte");
  }
  const size_t invalid = FindInvalidUtf8(line);
  if (invalid != absl::string_view::npos) {
    return FaultAt(invalid, "not_utf8", "not valid UTF-8");
  }
  JsonError error;
  absl::StatusOr<JsonObject> object = JsonObject::Parse(line, "line", &error);
  if (!object.ok()) {
    return FaultAt(error.offset,
                   error.duplicate_key ? "duplicate_key"
                   : error.wrong_type  ? "wrong_type"
                                       : "bad_json",
                   error.message);
  }
  const auto read = kind == TemplateKind::kCompletion ? ReadCompletion
                    : kind == TemplateKind::kLabel    ? ReadLabelled
                                                      : ReadChat;
  const std::optional<Finding> found = read(&*object, document);
  if (!found) return std::nullopt;
  return FaultAt(JsonPlace(line, found->path), found->code, found->message);
}

}  // namespace strata
