#include "client/inspect/names.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/inspect/glyphs.h"

namespace strata {

std::string StackName(const v1::InspectedStack& stack) {
  switch (stack.kind()) {
    case v1::STACK_KIND_ENCODER: return "encoder";
    case v1::STACK_KIND_BRIDGE: return "bridge";
    case v1::STACK_KIND_STREAM: return absl::StrCat("stream ", stack.stream());
    default: return "decoder";
  }
}

std::string KeyName(const std::string& text, const v1::InspectedKey& key, size_t max_bytes) {
  switch (key.kind()) {
    case v1::KEY_KIND_START: return "start";
    case v1::KEY_KIND_PREFIX: return absl::StrCat("prefix at ", key.end_byte());
    case v1::KEY_KIND_CONTEXT: return absl::StrCat("context at ", key.end_byte());
    default: break;
  }
  if (key.begin_byte() == key.end_byte()) return "marker";
  const std::string bytes = Snippet(text, static_cast<size_t>(key.begin_byte()),
                                    static_cast<size_t>(key.end_byte()), max_bytes);
  return absl::StrFormat("%s%d–%d \"%s\"", key.kind() == v1::KEY_KIND_NODE ? "node " : "",
                         key.begin_byte(), key.end_byte(), bytes);
}

}  // namespace strata
