#include "model/chat_template.h"

#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "model/base/status_macros.h"
#include "model/json_object.h"

namespace strata {
namespace {

constexpr struct {
  TemplateKind kind;
  const char* name;
} kKinds[] = {{TemplateKind::kText, "text"},
              {TemplateKind::kCompletion, "completion"},
              {TemplateKind::kChat, "chat"},
              {TemplateKind::kLabel, "label"}};

// `bytes` of text are to come, and two markers beside kSos.
Document Started(size_t bytes) {
  Document document;
  document.Reserve(static_cast<int64_t>(bytes) + 3);
  document.Append(kSos, false);
  return document;
}

// Consecutive user messages are one turn; its SEP comes with the next turn, or
// at the end.
Document Rendered(absl::Span<const ChatMessage> messages) {
  size_t bytes = 0;
  for (const ChatMessage& message : messages) bytes += message.content.size() + 1;
  Document document = Started(bytes);
  bool user_open = false;
  for (const ChatMessage& message : messages) {
    const bool user = message.role == "user";
    const bool assistant = message.role == "assistant";
    if (user && user_open) document.Append("\n", false);
    if (!user && user_open) document.Append(kSep, false);
    document.Append(message.content, assistant);
    if (assistant) document.Append(kEos, true);
    if (message.role == "system") document.Append(kSep, false);
    user_open = user;
  }
  if (user_open) document.Append(kSep, false);
  return document;
}

absl::Status Bad(size_t index, absl::string_view field,
                 absl::string_view message) {
  return absl::InvalidArgumentError(
      absl::StrCat("messages[", index, "]", field, ": ", message));
}

absl::Status CheckTurn(absl::Span<const ChatMessage> messages, size_t i) {
  const std::string& role = messages[i].role;
  const std::string previous = i > 0 ? messages[i - 1].role : "";
  if (role == "user") return absl::OkStatus();
  if (role == "system") {
    if (i == 0) return absl::OkStatus();
    return Bad(i, ".role", "a system message must be the first");
  }
  if (role != "assistant") {
    return Bad(i, ".role",
               absl::StrCat("is \"", role,
                            "\"; must be system, user or assistant"));
  }
  if (previous == "assistant") {
    return Bad(i, ".role", "two assistant messages in a row");
  }
  if (previous == "user") return absl::OkStatus();
  return Bad(i, ".role", "an assistant message must follow a user message");
}

}  // namespace

absl::string_view TemplateKindName(TemplateKind kind) {
  for (const auto& entry : kKinds) {
    if (entry.kind == kind) return entry.name;
  }
  return "";
}

absl::StatusOr<TemplateKind> ParseTemplateKind(absl::string_view name) {
  for (const auto& entry : kKinds) {
    if (name == entry.name) return entry.kind;
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "template kind is \"", name, "\"; must be text, completion, chat or label"));
}

std::string TemplateToJson(TemplateKind kind) {
  nlohmann::ordered_json json;
  json["format_version"] = 1;
  json["kind"] = std::string(TemplateKindName(kind));
  return json.dump(2) + "\n";
}

absl::StatusOr<TemplateKind> ParseTemplateJson(absl::string_view json) {
  STRATA_ASSIGN_OR_RETURN(JsonObject object,
                          JsonObject::Parse(json, "template"));
  int version = 0;
  std::string kind;
  object.Get("format_version", &version);
  object.Get("kind", &kind);
  STRATA_RETURN_IF_ERROR(object.Finish());
  if (version != 1) {
    return absl::InvalidArgumentError(absl::StrCat(
        "template: format_version: is ", version, "; must be 1"));
  }
  return ParseTemplateKind(kind);
}

absl::Status ValidateMessages(absl::Span<const ChatMessage> messages,
                              bool needs_reply) {
  if (messages.empty()) {
    return absl::InvalidArgumentError("messages: must not be empty");
  }
  for (size_t i = 0; i < messages.size(); ++i) {
    STRATA_RETURN_IF_ERROR(CheckTurn(messages, i));
  }
  if (needs_reply && messages.back().role != "user") {
    return Bad(messages.size() - 1, ".role",
               "the last message must be the user's");
  }
  return absl::OkStatus();
}

std::vector<Item> RenderText(absl::string_view text) {
  return TextDocument(text, false).Items();
}

std::vector<Item> RenderCompletion(absl::string_view prompt) {
  Document document = Started(prompt.size());
  document.Append(prompt, false);
  document.Append(kSep, false);
  return document.Items();
}

std::vector<Item> RenderChat(absl::Span<const ChatMessage> messages) {
  return Rendered(messages).Items();
}

Document TextDocument(absl::string_view text, bool ends) {
  Document document = Started(text.size());
  document.Append(text, true);
  if (ends) document.Append(kEos, true);
  return document;
}

Document CompletionDocument(absl::string_view prompt,
                            absl::string_view completion) {
  Document document = Started(prompt.size() + completion.size());
  document.Append(prompt, false);
  document.Append(kSep, false);
  document.Append(completion, true);
  document.Append(kEos, true);
  return document;
}

Document ChatDocument(absl::Span<const ChatMessage> messages) {
  return Rendered(messages);
}

Document LabelledDocument(absl::string_view text, absl::string_view label) {
  Document document;
  document.Reserve(static_cast<int64_t>(text.size()));
  document.Append(text, false);
  document.label = std::string(label);
  return document;
}

}  // namespace strata
