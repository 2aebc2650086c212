#include "client/inspect/summary.h"

#include <algorithm>
#include <numeric>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "client/inspect/glyphs.h"
#include "client/inspect/names.h"

namespace strata {
namespace {

constexpr size_t kLineBytes = 64;
constexpr size_t kShownLines = 16;  // of surprise
constexpr size_t kShownLinks = 6;   // of a stack
constexpr size_t kShownBytes = 28;  // of an item
constexpr double kBitsPerStep = 1;  // of the eight bars
constexpr char kLegend[] =
    "A text begins with a marker, which is an item too. What looks in a decoder, or through\n"
    "a bridge, is named for the item that it has read, and says what comes next; a context\n"
    "at N is what the level above says when it has read the bytes before N.\n";

// One column a byte, so that the bars under it stand where they belong: the bytes of
// a character beyond ASCII, and control bytes, are dots.
std::string OneColumnEach(const std::string& text, size_t begin, size_t end) {
  std::string out;
  for (size_t i = begin; i < end; ++i) {
    const std::string glyph = ByteGlyph(static_cast<unsigned char>(text[i]));
    absl::StrAppend(&out, text[i] == ' ' ? " " : glyph.size() == 2 ? "·" : glyph);
  }
  return out;
}

const char* Bar(double bits) {
  static constexpr const char* kBars[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
  const auto step = static_cast<int>(bits / kBitsPerStep);
  return kBars[std::clamp(step, 0, 7)];
}

void AddSurprise(const std::string& text, const v1::InspectResponse& response,
                 std::string* out) {
  absl::StrAppend(out, "surprise of each byte, ▁ below 1 bit to █ of 7 and more:\n");
  size_t begin = 0;
  for (size_t line = 0; line < kShownLines && begin < text.size(); ++line) {
    const size_t end = std::min(text.size(), begin + kLineBytes);
    absl::StrAppendFormat(out, "  %5d  %s\n         ", begin, OneColumnEach(text, begin, end));
    for (size_t i = begin; i < end; ++i) {
      absl::StrAppend(out, Bar(response.surprise_bits(static_cast<int>(i))));
    }
    absl::StrAppend(out, "\n");
    begin = end;
  }
  if (begin < text.size()) {
    absl::StrAppendFormat(out, "  … %d bytes more; --json has all\n", text.size() - begin);
  }
}

struct Link {
  int query = 0;
  int key = 0;
  int head = 0;
  int layer = 0;
  float weight = 0;
};

// The strongest that join two pieces of the text, at most one a query and head.
std::vector<Link> Strongest(const v1::InspectedStack& stack) {
  std::vector<Link> links;
  for (const v1::AttentionMap& map : stack.maps()) {
    for (int query = 0; query < map.rows_size(); ++query) {
      for (const v1::AttentionLink& link : map.rows(query).links()) {
        const v1::InspectedKey& key = stack.keys(link.key());
        if (link.key() == query || key.begin_byte() == key.end_byte()) continue;
        links.push_back({query, link.key(), map.head(), map.layer(), link.weight()});
        break;
      }
    }
  }
  std::stable_sort(links.begin(), links.end(),
                   [](const Link& a, const Link& b) { return a.weight > b.weight; });
  links.resize(std::min(links.size(), kShownLinks));
  return links;
}

void AddStack(const std::string& text, const v1::InspectedStack& stack, std::string* out) {
  if (stack.maps_size() == 0) return;
  std::vector<std::string> layers;
  for (const v1::AttentionMap& map : stack.maps()) {
    const std::string layer = absl::StrCat(map.layer());
    if (layers.empty() || layers.back() != layer) layers.push_back(layer);
  }
  if (stack.kind() == v1::STACK_KIND_BRIDGE) {
    absl::StrAppend(out, "  bridge, to contexts of the level above:\n");
  } else {
    absl::StrAppendFormat(out, "  %s, scope %s, layer %s of %d", StackName(stack),
                          stack.scope(), absl::StrJoin(layers, ", "), stack.layers());
    if (stack.kind() == v1::STACK_KIND_STREAM) {
      absl::StrAppendFormat(out, ", rate %d, stride %d", stack.rate(), stack.stride());
    }
    absl::StrAppend(out, ":\n");
  }
  if (stack.depths_size() > 0) {
    absl::StrAppendFormat(out, "    items passed %.1f layers on average\n",
                          std::accumulate(stack.depths().begin(), stack.depths().end(), 0.0) /
                              stack.depths_size());
  }
  for (const Link& link : Strongest(stack)) {
    absl::StrAppendFormat(out, "    %.3f  head %d  %s  looks at  %s\n", link.weight, link.head,
                          KeyName(text, stack.keys(link.query), kShownBytes),
                          KeyName(text, stack.keys(link.key), kShownBytes));
  }
}

// How far the pool is from weighing all alike, in one line.
void AddPooling(const v1::InspectedLevel& level, std::string* out) {
  const v1::InspectedPooling& pooling = level.pooling();
  absl::StrAppendFormat(out, "  pool %s, %d units%s", pooling.rule(), pooling.units_size(),
                        pooling.ragged() ? " that end where the bytes say" : "");
  double greatest = 0;
  int at = 0;
  for (int j = 0; j < pooling.units_size(); ++j) {
    for (const v1::PoolingHead& head : pooling.units(j).heads()) {
      for (const float weight : head.weights()) {
        if (weight > greatest) at = j;
        greatest = std::max<double>(greatest, weight);
      }
    }
  }
  if (greatest > 0) absl::StrAppendFormat(out, "; one item got %.3f of unit %d", greatest, at);
  absl::StrAppend(out, "\n");
}

}  // namespace

std::string InspectionSummary(const std::string& text, const v1::InspectResponse& response) {
  std::string out =
      absl::StrFormat("%s: %d bytes, %.4f bits per byte\n", response.model(), response.bytes(),
                      response.bits_per_byte());
  AddSurprise(text, response, &out);
  for (const v1::InspectedLevel& level : response.levels()) {
    absl::StrAppendFormat(&out, "level %d, %d items\n", level.level(), level.items_size());
    for (const v1::InspectedStack& stack : level.stacks()) AddStack(text, stack, &out);
    if (level.has_pooling()) AddPooling(level, &out);
  }
  absl::StrAppend(&out, kLegend);
  return out;
}

}  // namespace strata
