#include "client/inspect/svg_writer.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"

namespace strata {
namespace {

std::string TitleElement(absl::string_view title) {
  return title.empty() ? "" : absl::StrCat("<title>", XmlEscape(title), "</title>");
}

SvgWriter::Attributes Joined(SvgWriter::Attributes first, const SvgWriter::Attributes& more) {
  first.insert(first.end(), more.begin(), more.end());
  return first;
}

}  // namespace

std::string XmlEscape(absl::string_view text) {
  return absl::StrReplaceAll(text, {{"&", "&amp;"},
                                    {"<", "&lt;"},
                                    {">", "&gt;"},
                                    {"\"", "&quot;"},
                                    {"'", "&apos;"}});
}

std::string SvgNumber(double value) {
  std::string number = absl::StrFormat("%.1f", value);
  if (number.size() > 2 && number.substr(number.size() - 2) == ".0") {
    number.resize(number.size() - 2);
  }
  return number == "-0" ? "0" : number;
}

void SvgWriter::Rect(double x, double y, double width, double height, const Attributes& more,
                     absl::string_view title) {
  Element("rect",
          Joined({{"x", SvgNumber(x)},
                  {"y", SvgNumber(y)},
                  {"width", SvgNumber(width)},
                  {"height", SvgNumber(height)}},
                 more),
          TitleElement(title));
}

void SvgWriter::Circle(double x, double y, double radius, const Attributes& more,
                       absl::string_view title) {
  Element("circle",
          Joined({{"cx", SvgNumber(x)}, {"cy", SvgNumber(y)}, {"r", SvgNumber(radius)}}, more),
          TitleElement(title));
}

void SvgWriter::Path(const std::string& d, const Attributes& more, absl::string_view title) {
  Element("path", Joined({{"d", d}}, more), TitleElement(title));
}

void SvgWriter::Text(double x, double y, absl::string_view text, const Attributes& more) {
  Element("text", Joined({{"x", SvgNumber(x)}, {"y", SvgNumber(y)}}, more), XmlEscape(text));
}

void SvgWriter::BeginGroup(const char* css_class) {
  absl::StrAppend(&body_, "<g class=\"", css_class, "\">\n");
}

void SvgWriter::EndGroup() { absl::StrAppend(&body_, "</g>\n"); }

std::string SvgWriter::Document(double width, double height, absl::string_view title,
                                absl::string_view style) const {
  const std::string w = SvgNumber(width);
  const std::string h = SvgNumber(height);
  return absl::StrCat(
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"", w, "\" height=\"", h,
      "\" viewBox=\"0 0 ", w, " ", h, "\">\n<title>", XmlEscape(title), "</title>\n<style>",
      XmlEscape(style), "</style>\n<rect width=\"", w, "\" height=\"", h,
      "\" fill=\"#ffffff\"/>\n", body_, "</svg>\n");
}

void SvgWriter::Element(const char* name, const Attributes& attributes,
                        const std::string& content) {
  absl::StrAppend(&body_, "<", name);
  for (const auto& [key, value] : attributes) {
    absl::StrAppend(&body_, " ", key, "=\"", XmlEscape(value), "\"");
  }
  if (content.empty()) {
    absl::StrAppend(&body_, "/>\n");
  } else {
    absl::StrAppend(&body_, ">", content, "</", name, ">\n");
  }
}

}  // namespace strata
