#include "server/engine/output_assembler.h"

#include <random>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "gtest/gtest.h"
#include "tests/testing/toy_tokenizer.h"

namespace strata {
namespace {

struct Expected {
  std::string data;
  std::string stop;
};

// The definition, by brute force: the match that ends first, of those the
// longest.
Expected Reference(const std::string& text,
                   const std::vector<std::string>& stops) {
  for (size_t end = 1; end <= text.size(); ++end) {
    const absl::string_view seen(text.data(), end);
    std::string best;
    for (const std::string& stop : stops) {
      const bool ends = seen.size() >= stop.size() &&
                        seen.substr(seen.size() - stop.size()) == stop;
      if (ends && stop.size() > best.size()) best = stop;
    }
    if (!best.empty()) return {text.substr(0, end - best.size()), best};
  }
  return {text, ""};
}

struct Seen {
  std::string data;
  std::string text;
  std::string stop;
  int items = 0;
};

// Feeds `text`, taking a delta after byte i when bit i % 64 of `takes` is set.
Seen Assemble(const std::string& text, const std::vector<std::string>& stops,
              uint64_t takes) {
  const Expected expected = Reference(text, stops);
  OutputAssembler out(stops);
  Seen seen;
  const auto take = [&] {
    const OutputDelta delta = out.Take();
    seen.data += delta.data;
    seen.text += delta.text;
    seen.items += delta.items;
    // No part of a stop string ever leaks, not even for a while.
    EXPECT_EQ(expected.data.compare(0, seen.data.size(), seen.data), 0)
        << text;
  };
  for (size_t i = 0; i < text.size(); ++i) {
    const bool stopped = out.Add(static_cast<uint8_t>(text[i]));
    if (stopped) break;
    if ((takes >> (i % 64) & 1) != 0) take();
  }
  out.Finish();
  take();
  seen.stop = out.matched_stop();
  return seen;
}

void CheckAll(const std::string& text, const std::vector<std::string>& stops) {
  const Expected expected = Reference(text, stops);
  const size_t bits = std::min<size_t>(text.size(), 6);
  for (uint64_t takes = 0; takes < uint64_t{1} << bits; ++takes) {
    const Seen seen = Assemble(text, stops, takes | takes << bits);
    ASSERT_EQ(seen.data, expected.data) << text;
    ASSERT_EQ(seen.stop, expected.stop) << text;
    ASSERT_EQ(seen.items, static_cast<int>(expected.data.size()));
  }
}

TEST(OutputAssembler, AgreesWithTheDefinitionOnRandomStops) {
  std::mt19937 random(1);
  const auto word = [&](size_t most) {
    std::string text;
    for (size_t n = 1 + random() % most; n > 0; --n) text += "ab"[random() % 2];
    return text;
  };
  for (int round = 0; round < 2000; ++round) {
    std::vector<std::string> stops;
    for (size_t n = random() % 5; n > 0; --n) stops.push_back(word(5));
    const std::string text = word(14);
    CheckAll(text, stops);
    if (HasFatalFailure()) return;
  }
}

TEST(OutputAssembler, FindsAStopAtEveryOffsetAndAfterEveryFalseStart) {
  const std::string stop = "aabaab\n";
  for (size_t before = 0; before < 8; ++before) {
    for (size_t part = 0; part <= stop.size(); ++part) {
      CheckAll(std::string(before, 'x') + stop.substr(0, part) + stop + "tail",
               {stop});
      CheckAll(std::string(before, 'a') + stop.substr(0, part), {stop});
    }
  }
}

TEST(OutputAssembler, EarliestEndWinsThenTheLongest) {
  EXPECT_EQ(Assemble("xabcd", {"abcd", "bc"}, ~0ull).stop, "bc");
  EXPECT_EQ(Assemble("xabc", {"c", "abc", "bc"}, ~0ull).stop, "abc");
  EXPECT_EQ(Assemble("xabc", {"c", "abc", "bc"}, ~0ull).data, "x");
}

TEST(OutputAssembler, HoldsBackOnlyWhatCouldBecomeAStop) {
  OutputAssembler out({"stop"});
  for (const char c : std::string("on st")) out.Add(c);
  EXPECT_EQ(out.Take().data, "on ");
  out.Add('x');
  EXPECT_EQ(out.Take().data, "stx");
}

TEST(OutputAssembler, SpecialItemsAreNoOutput) {
  OutputAssembler out({});
  EXPECT_FALSE(out.Add(kEos));
  EXPECT_FALSE(out.Add(kSep));
  out.Finish();
  const OutputDelta delta = out.Take();
  EXPECT_EQ(delta.data, "");
  EXPECT_EQ(delta.text, "");
  EXPECT_EQ(delta.items, 0);
}

std::string WholeText(const std::string& bytes) {
  Utf8Stream stream;
  std::string text;
  stream.Append(bytes, &text);
  stream.Flush(&text);
  return text;
}

TEST(Utf8Stream, AgreesWithTheStandardOnIllFormedText) {
  const std::string r = "\xEF\xBF\xBD";
  EXPECT_EQ(WholeText("h\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80"),
            "h\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80");
  EXPECT_EQ(WholeText("\xFF\xC0\x80"), r + r + r);        // never a start
  EXPECT_EQ(WholeText("\xE0\x80\x80"), r + r + r);        // overlong
  EXPECT_EQ(WholeText("\xED\xA0\x80"), r + r + r);        // surrogate
  EXPECT_EQ(WholeText("\xF4\x90\x80\x80"), r + r + r + r);  // too high
  EXPECT_EQ(WholeText("\xE2\x82" "a"), r + "a");          // one for the part
  EXPECT_EQ(WholeText("\xF0\x9F\x98"), r);                // cut by the end
  EXPECT_EQ(WholeText("\xE2\x82\xE2\x82\xAC"), r + "\xE2\x82\xAC");
}

TEST(Utf8Stream, EverySplitGivesTheSameTextInWholeCharacters) {
  std::mt19937 random(2);
  // Bytes at the borders of the ranges make ill-formed text likely.
  const std::string alphabet =
      "a\x7F\x80\x8F\x90\x9F\xA0\xBF\xC1\xC2\xDF\xE0\xE2\xED\xEF\xF0\xF1\xF4\xF5";
  for (int round = 0; round < 3000; ++round) {
    std::string bytes;
    for (int i = 0; i < 8; ++i) bytes += alphabet[random() % alphabet.size()];
    const std::string whole = WholeText(bytes);
    for (uint64_t cuts = 0; cuts < 128; ++cuts) {
      Utf8Stream stream;
      std::string text;
      std::string part;
      for (size_t i = 0; i < bytes.size(); ++i) {
        part += bytes[i];
        if ((cuts >> i & 1) == 0) continue;
        std::string piece;
        stream.Append(part, &piece);
        part.clear();
        ASSERT_EQ(WholeText(piece), piece) << "a piece that is no UTF-8";
        text += piece;
      }
      stream.Append(part, &text);
      stream.Flush(&text);
      ASSERT_EQ(text, whole);
    }
  }
}

TEST(ValidateStops, NamesTheFieldTheValueAndTheLimit) {
  EXPECT_TRUE(ValidateStops(std::vector<std::string>(16, "x")).ok());
  EXPECT_EQ(ValidateStops(std::vector<std::string>(17, "x")).message(),
            "stop has 17 strings; at most 16 are allowed");
  EXPECT_EQ(ValidateStops({"a", ""}).message(),
            "stop[1] is 0 bytes; must be in [1, 256]");
  EXPECT_FALSE(ValidateStops({std::string(257, 'a')}).ok());
}

// The same output as of the bytes alone, whatever pieces they come in.
TEST(OutputAssembler, PiecesAreTheirBytes) {
  const auto tokenizer = std::make_shared<testing::ToyTokenizer>(std::vector<std::string>{
      "ab", "abc", "b\xC3", "\xA4 ", "stop", " st", "op", "\xE2\x98"});
  const std::vector<std::string> parts = {"ab", "abc", "b\xC3", "\xA4 ", "stop",
                                          " st", "op", "\xE2\x98", "\x83", "a", "s"};
  std::mt19937 random(11);
  for (int round = 0; round < 2000; ++round) {
    std::string text;
    while (text.size() < 40) text += parts[random() % parts.size()];
    const std::vector<std::string> stops = {"stop", "cab", "\xA4 a"};
    const Expected expected = Reference(text, stops);
    OutputAssembler out(stops, tokenizer);
    Utf8Stream utf8;
    std::string data, sent, want;
    int items = 0, fed = 0;
    for (const Item item : tokenizer->Encode(text)) {
      ++fed;
      const bool stopped = out.Add(item);
      const OutputDelta delta = out.Take();
      data += delta.data;
      sent += delta.text;
      items += delta.items;
      ASSERT_EQ(expected.data.compare(0, data.size(), data), 0) << text;
      if (stopped) break;
    }
    out.Finish();
    const OutputDelta delta = out.Take();
    data += delta.data;
    sent += delta.text;
    items += delta.items;
    utf8.Append(expected.data, &want);
    utf8.Flush(&want);
    ASSERT_EQ(data, expected.data) << text;
    ASSERT_EQ(out.matched_stop(), expected.stop) << text;
    ASSERT_EQ(sent, want) << text;
    ASSERT_LE(items, fed);
    if (expected.stop.empty()) {
      ASSERT_EQ(items, fed);
    }
  }
}

}  // namespace
}  // namespace strata
