#pragma once
// SvgWriter: builds one SVG document, element by element. Text and attribute values
// are escaped; what a document may not hold (control bytes) is the caller's to keep
// out (client/inspect/glyphs.h). Lengths are in pixels. Single owner.

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"

namespace strata {

// &, <, > and both quotes.
std::string XmlEscape(absl::string_view text);

// "12.5": at most one digit behind the point.
std::string SvgNumber(double value);

class SvgWriter {
 public:
  using Attributes = std::vector<std::pair<const char*, std::string>>;

  // `title`: what a browser shows at the pointer; empty: none.
  void Rect(double x, double y, double width, double height, const Attributes& more,
            absl::string_view title = "");
  void Circle(double x, double y, double radius, const Attributes& more,
              absl::string_view title = "");
  void Path(const std::string& d, const Attributes& more, absl::string_view title = "");
  void Text(double x, double y, absl::string_view text, const Attributes& more = {});

  // <g class="…"> until the matching End.
  void BeginGroup(const char* css_class);
  void EndGroup();

  // The whole document.
  std::string Document(double width, double height, absl::string_view title,
                       absl::string_view style) const;

 private:
  void Element(const char* name, const Attributes& attributes, const std::string& content);

  std::string body_;
};

}  // namespace strata
