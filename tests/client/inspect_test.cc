// How an inspection is shown: bytes, the summary, the picture. That the picture is
// well-formed XML is for tests/e2e/inspect_test.py, which has a parser.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "client/inspect/glyphs.h"
#include "client/inspect/picture.h"
#include "client/inspect/summary.h"
#include "client/inspect/svg_writer.h"
#include "tests/client/toy_inspection.h"

namespace strata {
namespace {

using testing::HasSubstr;
using testing::Not;

std::string EveryByte() {
  std::string text;
  for (int i = 0; i < 256; ++i) text += static_cast<char>(i);
  return text;
}

size_t Count(const std::string& text, const std::string& part) {
  size_t count = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

bool HasControlBytes(const std::string& text) {
  return std::any_of(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) < 0x20 && c != '\n') || c == 0x7F;
  });
}

TEST(GlyphsTest, EveryByteIsLegible) {
  EXPECT_EQ(ByteGlyph('a'), "a");
  EXPECT_EQ(ByteGlyph(' '), "␣");
  EXPECT_EQ(ByteGlyph('\n'), "⏎");
  EXPECT_EQ(ByteGlyph('\t'), "⇥");
  EXPECT_EQ(ByteGlyph(0), "00");
  EXPECT_EQ(ByteGlyph(0x7F), "7f");
  EXPECT_EQ(ByteGlyph(0xC3), "c3");
}

TEST(GlyphsTest, WideCharactersAreThoseThatADocumentMayHold) {
  EXPECT_EQ(WideCharacterAt("é", 0), 2u);
  EXPECT_EQ(WideCharacterAt("x€", 1), 3u);
  EXPECT_EQ(WideCharacterAt("😀", 0), 4u);
  EXPECT_EQ(WideCharacterAt("a", 0), 0u);
  EXPECT_EQ(WideCharacterAt("é", 1), 0u);                   // in its middle
  EXPECT_EQ(WideCharacterAt("\xe2\x82", 0), 0u);            // cut off
  EXPECT_EQ(WideCharacterAt("\xc2\x85", 0), 0u);            // a control character
  EXPECT_EQ(WideCharacterAt("\xed\xa0\x80", 0), 0u);        // a surrogate
  EXPECT_EQ(WideCharacterAt("\xef\xbf\xbe", 0), 0u);        // U+FFFE
  EXPECT_EQ(WideCharacterAt("\xe0\x80\xaf", 0), 0u);        // overlong
  EXPECT_EQ(WideCharacterAt("\xf4\x90\x80\x80", 0), 0u);    // above U+10FFFF
}

TEST(GlyphsTest, SnippetsAreOneLineOfText) {
  EXPECT_EQ(Snippet("a\nb é\xff", 0, 7, 100), "a⏎b é\\xff");
  EXPECT_EQ(Snippet("abcdef", 1, 5, 3), "bcd…");
  EXPECT_EQ(Snippet("é", 0, 1, 9), "\\xc3");  // half of a character
}

TEST(SvgWriterTest, EscapesWhatXmlReserves) {
  SvgWriter svg;
  svg.Text(1.25, 2, "<a & \"b\" 'c'>", {{"class", "\"&"}});
  const std::string document = svg.Document(10, 20, "t<", "a{}");
  EXPECT_THAT(document, HasSubstr("&lt;a &amp; &quot;b&quot; &apos;c&apos;&gt;</text>"));
  EXPECT_THAT(document, HasSubstr("class=\"&quot;&amp;\""));
  EXPECT_THAT(document, HasSubstr("<title>t&lt;</title>"));
  EXPECT_EQ(SvgNumber(-0.01), "0");
  EXPECT_EQ(SvgNumber(3.0), "3");
}

TEST(PictureTest, ShowsEveryByteUnitAndLink) {
  const std::string text = "Twelve bytes";
  const std::string svg = InspectionSvg(text, ToyInspection(text));
  EXPECT_EQ(Count(svg, "<title>byte "), text.size());
  EXPECT_EQ(Count(svg, "<title>level 1, item "), 3u);
  // Of both levels and heads: one position looks at itself, the others back.
  EXPECT_EQ(Count(svg, " looks at "), 2 * (14 + 4));
  EXPECT_EQ(Count(svg, "<circle"), 4u);
  EXPECT_EQ(Count(svg, "<title>pool, head 1: "), 12u);
  EXPECT_THAT(svg, HasSubstr("m@1: 12 bytes, 2.000 bits per byte"));
  EXPECT_THAT(svg, Not(HasSubstr("are drawn; --json")));
}

TEST(PictureTest, NoByteBreaksTheDocument) {
  const std::string text = EveryByte() + "é😀";
  const std::string svg = InspectionSvg(text, ToyInspection(text));
  EXPECT_FALSE(HasControlBytes(svg));
  EXPECT_EQ(Count(svg, "<title>byte "), text.size());
  EXPECT_THAT(svg, HasSubstr(">😀</text>"));
  EXPECT_THAT(svg, HasSubstr(">&lt;</text>"));
  EXPECT_EQ(Count(svg, "<g "), Count(svg, "</g>"));
}

TEST(PictureTest, LongTextsAreCutAndSayIt) {
  const std::string text(4096, 'x');
  const std::string svg = InspectionSvg(text, ToyInspection(text));
  EXPECT_THAT(svg, HasSubstr("The first 1278 of 4096 bytes are drawn; --json has all."));
  EXPECT_EQ(Count(svg, "<title>byte "), 1278u);
  EXPECT_LT(svg.size(), size_t{8} << 20);
}

TEST(PictureTest, LinksIntoAnotherLineAreDashed) {
  const std::string text(100, 'x');
  const std::string svg = InspectionSvg(text, ToyInspection(text));
  // Of both heads from the first byte of the second line; the block that its own
  // block looks at reaches into it.
  EXPECT_EQ(Count(svg, "stroke-dasharray"), 2u);
}

TEST(PictureTest, LevelsThatNobodyAskedForAreAbsent) {
  const std::string text = "Twelve bytes";
  v1::InspectResponse response = ToyInspection(text);
  response.mutable_levels()->DeleteSubrange(0, 1);
  const std::string svg = InspectionSvg(text, response);
  EXPECT_EQ(Count(svg, "<title>byte "), text.size());
  EXPECT_EQ(Count(svg, " looks at "), 2u * 4u);
  EXPECT_EQ(Count(svg, "<title>pool"), 0u);
}

TEST(SummaryTest, NamesTheStrongestLinksAndTheSurprise) {
  const std::string text = "Twelve \nbytes";
  const std::string summary = InspectionSummary(text, ToyInspection(text));
  EXPECT_THAT(summary, HasSubstr("m@1: 13 bytes, 2.0000 bits per byte\n"));
  EXPECT_THAT(summary, HasSubstr("      0  Twelve ⏎bytes\n         ▁▂▃▄▅▆▇█████▁\n"));
  EXPECT_THAT(summary, HasSubstr("level 1, 3 items"));
  EXPECT_THAT(summary, HasSubstr("0.750  head 0"));
  EXPECT_THAT(summary, HasSubstr("3–7 \"lve \"  looks at  0–3 \"Twe\""));
  EXPECT_THAT(summary, HasSubstr("pool attention, 3 units; one item got 0.400"));
}

TEST(SummaryTest, APrefixIsNamedByWhereItsBlockBegins) {
  const std::string text = "Twelve bytes";
  v1::InspectResponse response = ToyInspection(text);
  v1::InspectedKey* key = response.mutable_levels(0)->mutable_stacks(0)->mutable_keys(4);
  key->set_kind(v1::KEY_KIND_PREFIX);
  key->set_begin_byte(0);
  key->set_end_byte(3);
  EXPECT_THAT(InspectionSummary(text, response), HasSubstr("looks at  prefix at 3"));
  const std::string svg = InspectionSvg(text, response);
  EXPECT_EQ(Count(svg, "looks at prefix at 3"), 2u);
  EXPECT_EQ(Count(svg, " looks at "), 2 * (14 + 4));
}

// Of the lower level: each position looks at the context of its block.
v1::InspectResponse WithBridge(const std::string& text) {
  v1::InspectResponse response = ToyInspection(text);
  v1::InspectedLevel* level = response.mutable_levels(0);
  v1::InspectedStack* bridge = level->add_stacks();
  *bridge = level->stacks(0);
  bridge->set_kind(v1::STACK_KIND_BRIDGE);
  for (int j = 0; j <= level->pooling().units_size(); ++j) {
    v1::InspectedKey* key = bridge->add_keys();
    key->set_kind(v1::KEY_KIND_CONTEXT);
    key->set_end_byte(j > 0 ? 4 * j - 1 : 0);
  }
  for (v1::AttentionMap& map : *bridge->mutable_maps()) {
    for (int i = 0; i < map.rows_size(); ++i) {
      map.mutable_rows(i)->mutable_links(0)->set_key(bridge->positions() + i / 4);
    }
  }
  return response;
}

TEST(SummaryTest, ABridgeLooksAtContexts) {
  const std::string text = "Twelve bytes";
  const std::string summary = InspectionSummary(text, WithBridge(text));
  EXPECT_THAT(summary, HasSubstr("  bridge, to contexts of the level above:\n"));
  EXPECT_THAT(summary, HasSubstr("2–3 \"e\"  looks at  context at 3"));
}

TEST(PictureTest, ABridgeRisesToContexts) {
  const std::string text = "Twelve bytes";
  const std::string svg = InspectionSvg(text, WithBridge(text));
  EXPECT_THAT(svg, HasSubstr(">bridge, contexts</text>"));
  EXPECT_EQ(Count(svg, "<title>context at "), 4u);
  EXPECT_EQ(Count(svg, "looks at context at 7: 0.750"), 2u * 4u);
  EXPECT_EQ(Count(svg, " looks at "), 2 * (14 + 4 + 14));
  EXPECT_EQ(Count(svg, "<circle"), 4u);  // none looks at itself
}

// Beside the decoder of the lower level: items of 4 places, one every 2, each of which
// looks at the one before.
v1::InspectResponse WithStream(const std::string& text) {
  v1::InspectResponse response = ToyInspection(text);
  v1::InspectedStack* stream = response.mutable_levels(0)->add_stacks();
  stream->set_kind(v1::STACK_KIND_STREAM);
  stream->set_scope("dilated");
  stream->set_layers(3);
  stream->set_stream(1);
  stream->set_rate(4);
  stream->set_stride(2);
  v1::AttentionMap* map = stream->add_maps();
  const int places = static_cast<int>(text.size()) + 2;
  for (int last = 0; last < places; last += 2) {
    v1::InspectedKey* key = stream->add_keys();
    key->set_kind(last > 0 ? v1::KEY_KIND_ITEM : v1::KEY_KIND_START);
    key->set_end_byte(std::max(0, last - 1));
    key->set_begin_byte(std::max(0, last - 5));
    v1::AttentionLink* link = map->add_rows()->add_links();
    link->set_key(std::max(0, last / 2 - 1));
    link->set_weight(1);
  }
  stream->set_positions(stream->keys_size());
  return response;
}

TEST(SummaryTest, AStreamIsNamedByItsNumber) {
  const std::string text = "Twelve bytes";
  EXPECT_THAT(InspectionSummary(text, WithStream(text)),
              HasSubstr("  stream 1, scope dilated, layer 0 of 3, rate 4, stride 2:\n"
                        "    1.000  head 0  0–3 \"Twe\"  looks at  0–1 \"T\"\n"));
}

TEST(PictureTest, AStreamHasARowOfItsOwn) {
  const std::string text = "Twelve bytes";
  const std::string svg = InspectionSvg(text, WithStream(text));
  EXPECT_THAT(svg, HasSubstr(">stream 1, dilated</text>"));
  EXPECT_THAT(svg, HasSubstr(">rate 4, stride 2</text>"));
  EXPECT_EQ(Count(svg, "<title>stream 1, item "), 7u);
  EXPECT_THAT(svg, HasSubstr("<title>stream 1, item 4: 3–7 &quot;lve &quot;</title>"));
  EXPECT_THAT(svg, HasSubstr("3–7 &quot;lve &quot; looks at 1–5 &quot;welv&quot;: 1.000"));
  EXPECT_EQ(Count(svg, " looks at "), 2 * (14 + 4) + 7);
  // Also where they overlap, boxes lie beside one another: two columns each.
  EXPECT_EQ(Count(svg, "width=\"28\" height=\"6\""), 6u);
}

TEST(SummaryTest, NoByteReachesTheTerminalRaw) {
  const std::string text = EveryByte();
  EXPECT_FALSE(HasControlBytes(InspectionSummary(text, ToyInspection(text))));
}

}  // namespace
}  // namespace strata
