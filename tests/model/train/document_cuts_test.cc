// Cutting: no answer without its prompt, every trained item trained once, nothing
// beyond the room.

#include "model/train/document_cuts.h"

#include <gtest/gtest.h>

#include <string>

#include "model/base/random.h"
#include "model/chat_template.h"

namespace strata {
namespace {

std::string Bytes(char c, int64_t n) { return std::string(n, c); }

// A chat of `turns` turns whose lengths are drawn up to `longest`.
Document Chat(uint64_t seed, int turns, int64_t longest) {
  std::vector<ChatMessage> messages;
  for (int i = 0; i < 2 * turns; ++i) {
    const auto length = static_cast<int64_t>(RandomBits(seed, 1, i) % longest) + 1;
    messages.push_back({i % 2 == 0 ? "user" : "assistant",
                        Bytes(static_cast<char>('a' + i % 26), length)});
  }
  return ChatDocument(messages);
}

int64_t TurnOf(const Document& document, int64_t at) {
  while (at > 0 && document.trained(at - 1)) --at;
  return at;
}

void CheckCuts(const Document& document, int64_t room) {
  std::vector<int> times(document.size(), 0);
  for (const DocumentCut& cut : CutDocument(document, room, room)) {
    EXPECT_LE(cut.size(), room);
    EXPECT_GE(cut.prompt_begin, 0);
    int64_t trained = 0;
    int64_t first = -1;
    for (int64_t i = std::max(cut.begin, cut.train_from); i < cut.end; ++i) {
      if (!document.trained(i)) continue;
      if (first < 0) first = i;
      ++times[i];
      ++trained;
    }
    ASSERT_GT(trained, 0);
    // The separator before the turn, and what is just before it, is in the piece:
    // with the turn, or as the prompt that is set before its rest.
    const int64_t turn = TurnOf(document, first);
    ASSERT_EQ(document.item(turn - 1), kSep);
    const int64_t tail = std::min(turn - 1, room / 4);  // kSos aside
    if (cut.begin < turn) {
      EXPECT_EQ(cut.prompt_begin, cut.prompt_end);
      EXPECT_LE(cut.begin, turn - tail);
    } else {
      EXPECT_EQ(cut.prompt_end, turn);
      EXPECT_EQ(cut.prompt_begin, turn - tail);
      EXPECT_LE(cut.begin, first - std::min(first - turn, room / 4));
    }
  }
  for (int64_t i = 0; i < document.size(); ++i) {
    EXPECT_EQ(times[i], document.trained(i) ? 1 : 0) << i;
  }
}

TEST(CutDocument, NoAnswerIsTrainedWithoutItsPromptAndNoneTwice) {
  for (uint64_t seed = 0; seed < 40; ++seed) {
    for (const int64_t room : {7, 31, 127, 511}) {
      SCOPED_TRACE(::testing::Message() << "seed " << seed << " room " << room);
      CheckCuts(Chat(seed, 1 + static_cast<int>(seed % 9), 300), room);
      CheckCuts(CompletionDocument(Bytes('q', seed * 37), Bytes('a', 1 + seed * 41)),
                room);
    }
  }
}

TEST(CutDocument, WhatFitsIsWhole) {
  for (const int64_t room : {127, 200}) {
    const Document fits = CompletionDocument(Bytes('q', 100), Bytes('a', 25));
    const DocumentCut whole = {.begin = 1, .end = 128, .train_from = 1};
    EXPECT_EQ(CutDocument(fits, room, room), std::vector<DocumentCut>{whole});
  }
  const Document longer = CompletionDocument(Bytes('q', 101), Bytes('a', 25));
  // A byte of the prompt goes, the answer stays in one piece.
  EXPECT_EQ(CutDocument(longer, 127, 127),
            (std::vector<DocumentCut>{{.begin = 2, .end = 129, .train_from = 103}}));
}

TEST(CutDocument, ALongAnswerGoesOnBehindTheEndOfItsPrompt) {
  const Document document = CompletionDocument(Bytes('q', 300), Bytes('a', 299));
  const auto cuts = CutDocument(document, 200, 200);  // the turn: [302, 602)
  EXPECT_EQ(cuts, (std::vector<DocumentCut>{
                      {.begin = 202, .end = 402, .train_from = 302},
                      {252, 302, 352, 502, 402},
                      {252, 302, 452, 602, 502}}));
}

TEST(CutDocument, WholeTurnsShareAPiece) {
  std::vector<ChatMessage> messages;
  for (int i = 0; i < 30; ++i) {
    messages.push_back({"user", Bytes('q', 10)});
    messages.push_back({"assistant", Bytes('a', 10)});
  }
  const Document document = ChatDocument(messages);  // 22 items a turn
  const auto cuts = CutDocument(document, 127, 127);
  for (const DocumentCut& cut : cuts) {
    EXPECT_EQ(cut.end % 22, 1);  // behind a kEos
  }
  // Half the room is history, so a piece takes two turns and the first five.
  EXPECT_EQ(cuts.front().end, 1 + 5 * 22);
  EXPECT_LE(cuts.size(), 14u);
}

TEST(CutDocument, ATextIsCutEndToEnd) {
  const Document text = TextDocument(Bytes('x', 1000), true);
  int64_t at = 1;
  for (const DocumentCut& cut : CutDocument(text, 127, 50)) {
    EXPECT_EQ(cut.size(), std::min<int64_t>(at == 1 ? 50 : 127, text.size() - at));
    EXPECT_EQ(cut.begin, at);
    EXPECT_EQ(cut.train_from, at);
    at = cut.end;
  }
  EXPECT_EQ(at, text.size());
}

TEST(CutDocument, NothingTrainedIsNoPiece) {
  EXPECT_TRUE(CutDocument(LabelledDocument("abc", "x"), 2, 2).empty());
  EXPECT_TRUE(CutDocument(Document(), 2, 2).empty());
}

}  // namespace
}  // namespace strata
