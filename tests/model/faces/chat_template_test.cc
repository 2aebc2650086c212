#include "model/chat_template.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"

namespace strata {
namespace {

using ::testing::HasSubstr;

// Items as text: specials as <S>, <E>, <|>.
std::string Show(const std::vector<Item>& items) {
  std::string text;
  for (const Item item : items) {
    if (item == kSos) {
      text += "<S>";
    } else if (item == kEos) {
      text += "<E>";
    } else if (item == kSep) {
      text += "<|>";
    } else {
      text += static_cast<char>(item);
    }
  }
  return text;
}

std::string Trained(const Document& document) {
  std::vector<Item> items;
  for (int64_t i = 0; i < document.size(); ++i) {
    if (document.trained(i)) items.push_back(document.item(i));
  }
  EXPECT_EQ(document.TrainedItems(), static_cast<int64_t>(items.size()));
  return Show(items);
}

TEST(Template, Text) {
  EXPECT_EQ(Show(RenderText("ab")), "<S>ab");
  EXPECT_EQ(Show(TextDocument("ab", true).Items()), "<S>ab<E>");
  EXPECT_EQ(Trained(TextDocument("ab", true)), "ab<E>");
  EXPECT_EQ(Trained(TextDocument("ab", false)), "ab");
}

TEST(Template, BytesAboveSevenBitsStayBytes) {
  const std::vector<Item> items = RenderText("\xC3\xA4\xFF");
  EXPECT_EQ(items, (std::vector<Item>{kSos, 0xC3, 0xA4, 0xFF}));
}

TEST(Template, Completion) {
  EXPECT_EQ(Show(RenderCompletion("q")), "<S>q<|>");
  const Document document = CompletionDocument("q", "a");
  EXPECT_EQ(Show(document.Items()), "<S>q<|>a<E>");
  EXPECT_EQ(Trained(document), "a<E>");
}

TEST(Template, AChatOfOneTurnIsACompletion) {
  const std::vector<ChatMessage> chat = {{"user", "q"}, {"assistant", "a"}};
  EXPECT_EQ(ChatDocument(chat), CompletionDocument("q", "a"));
  EXPECT_EQ(RenderChat({{"user", "q"}}), RenderCompletion("q"));
}

TEST(Template, Chat) {
  const std::vector<ChatMessage> chat = {
      {"system", "s"}, {"user", "u"},      {"user", "v"}, {"assistant", "A"},
      {"user", "w"},   {"assistant", "B"}};
  const Document document = ChatDocument(chat);
  EXPECT_EQ(Show(document.Items()), "<S>s<|>u\nv<|>A<E>w<|>B<E>");
  EXPECT_EQ(Trained(document), "A<E>B<E>");
  EXPECT_EQ(Show(RenderChat({{"system", "s"}, {"user", "u"}})), "<S>s<|>u<|>");
}

TEST(Template, EveryPromptIsAPrefixOfItsDocument) {
  const std::vector<ChatMessage> chat = {
      {"system", "s"}, {"user", "u"}, {"assistant", "A"}, {"user", "v"},
      {"user", "w"},   {"assistant", "B"}};
  const std::vector<Item> whole = ChatDocument(chat).Items();
  for (size_t n = 1; n < chat.size(); ++n) {
    if (chat[n].role != "assistant") continue;
    const std::vector<Item> prompt =
        RenderChat(absl::MakeConstSpan(chat).subspan(0, n));
    ASSERT_LE(prompt.size(), whole.size());
    EXPECT_TRUE(std::equal(prompt.begin(), prompt.end(), whole.begin())) << n;
  }
}

TEST(ValidateMessages, AcceptsLegalOrders) {
  EXPECT_TRUE(ValidateMessages({{"user", "u"}}, true).ok());
  EXPECT_TRUE(ValidateMessages({{"system", "s"}, {"user", "u"}}, true).ok());
  EXPECT_TRUE(
      ValidateMessages({{"user", "u"}, {"assistant", "a"}}, false).ok());
}

TEST(ValidateMessages, NamesTheMessageAtFault) {
  const auto message = [](std::vector<ChatMessage> messages, bool reply) {
    const absl::Status status = ValidateMessages(messages, reply);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    return std::string(status.message());
  };
  EXPECT_THAT(message({}, true), HasSubstr("messages: must not be empty"));
  EXPECT_THAT(message({{"tool", "x"}}, true),
              HasSubstr("messages[0].role: is \"tool\""));
  EXPECT_THAT(message({{"user", "u"}, {"system", "s"}}, false),
              HasSubstr("messages[1].role: a system"));
  EXPECT_THAT(message({{"assistant", "a"}}, false),
              HasSubstr("messages[0].role: an assistant"));
  EXPECT_THAT(message({{"system", "s"}, {"assistant", "a"}}, false),
              HasSubstr("messages[1].role: an assistant"));
  EXPECT_THAT(
      message({{"user", "u"}, {"assistant", "a"}, {"assistant", "b"}}, false),
      HasSubstr("messages[2].role: two assistant"));
  EXPECT_THAT(message({{"user", "u"}, {"assistant", "a"}}, true),
              HasSubstr("messages[1].role: the last"));
}

TEST(TemplateJson, RoundTripsAndIsStrict) {
  for (const TemplateKind kind :
       {TemplateKind::kText, TemplateKind::kCompletion, TemplateKind::kChat}) {
    EXPECT_EQ(ParseTemplateJson(TemplateToJson(kind)).value(), kind);
    EXPECT_EQ(ParseTemplateKind(TemplateKindName(kind)).value(), kind);
  }
  for (const char* bad :
       {"", "{}", R"({"format_version": 1})", R"({"kind": "chat"})",
        R"({"format_version": 2, "kind": "chat"})",
        R"({"format_version": 1, "kind": "verse"})",
        R"({"format_version": 1, "kind": "chat", "x": 0})"}) {
    EXPECT_EQ(ParseTemplateJson(bad).status().code(),
              absl::StatusCode::kInvalidArgument)
        << bad;
  }
}

}  // namespace
}  // namespace strata
