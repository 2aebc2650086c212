#pragma once
// From text to items. The template that a model was trained with is stored in
// its version (`template.json`), and both training and serving render with this
// one file, so that they cannot drift apart.
//
//   text        SOS text [EOS]
//   completion  SOS prompt SEP completion EOS
//   chat        SOS [system SEP] (user SEP assistant EOS)*
//   label       the bytes alone: texts with a label, for classifiers
//
// A chat of one turn is a completion, so a model trained on either answers both.
// Consecutive user messages are joined by a newline. Loss is taken on `trained`
// items only: all of a text (not SOS), the completion and its EOS, the
// assistant's turns and their EOS.

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "model/items.h"
#include "model/training_document.h"

namespace strata {

enum class TemplateKind { kText, kCompletion, kChat, kLabel };

struct ChatMessage {
  std::string role;  // "system", "user" or "assistant"
  std::string content;
};

absl::string_view TemplateKindName(TemplateKind kind);  // "text", ...
absl::StatusOr<TemplateKind> ParseTemplateKind(absl::string_view name);

std::string TemplateToJson(TemplateKind kind);
absl::StatusOr<TemplateKind> ParseTemplateJson(absl::string_view json);

// INVALID_ARGUMENT: unknown role, system not first, two assistant turns in a
// row, an assistant turn without a user turn, no message. `messages[2].role: …`
absl::Status ValidateMessages(absl::Span<const ChatMessage> messages,
                              bool needs_reply);

// Prompts for generation.
std::vector<Item> RenderText(absl::string_view text);          // SOS text
std::vector<Item> RenderCompletion(absl::string_view prompt);  // SOS prompt SEP
// REQUIRES: ValidateMessages(messages, needs_reply=true), the last is a user's.
std::vector<Item> RenderChat(absl::Span<const ChatMessage> messages);

// Documents for training.
Document TextDocument(absl::string_view text, bool ends);
Document CompletionDocument(absl::string_view prompt,
                            absl::string_view completion);
Document ChatDocument(absl::Span<const ChatMessage> messages);
Document LabelledDocument(absl::string_view text, absl::string_view label);

}  // namespace strata
