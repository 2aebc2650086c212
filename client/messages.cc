#include "client/messages.h"

#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"

namespace strata {

absl::Status ParseMessages(const std::string& text, v1::Messages* messages) {
  nlohmann::json json;
  try {
    json = nlohmann::json::parse(text);
  } catch (const nlohmann::json::parse_error& error) {
    std::string where = error.what();  // "[json.exception.…] parse error at line …"
    where.erase(0, where.find("] ") + 2);
    return absl::InvalidArgumentError(absl::StrCat(
        "the messages must be one JSON value, {\"messages\": […]} or a list of "
        "{\"role\", \"content\"}, not JSON lines: ",
        where));
  }
  if (json.is_object() && json.contains("messages")) json = nlohmann::json(json["messages"]);
  if (!json.is_array()) {
    return absl::InvalidArgumentError("the messages must be {\"messages\": […]} or a list");
  }
  int number = 0;
  for (const auto& entry : json) {
    ++number;
    v1::Message* message = messages->add_messages();
    for (const char* key : {"role", "content"}) {
      if (!entry.is_object() || !entry.contains(key) || !entry[key].is_string()) {
        return absl::InvalidArgumentError(
            absl::StrCat("message ", number, " has no text under \"", key, "\""));
      }
    }
    message->set_role(entry["role"].get<std::string>());
    message->set_content(entry["content"].get<std::string>());
  }
  return absl::OkStatus();
}

}  // namespace strata
