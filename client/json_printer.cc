#include "client/json_printer.h"

#include <cctype>
#include <cmath>
#include <nlohmann/json.hpp>

#include "absl/strings/escaping.h"
#include "google/protobuf/descriptor.h"

namespace strata {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::EnumDescriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;
using Json = nlohmann::ordered_json;

Json MessageJson(const Message& message);

// "FinishReason" is "FINISH_REASON_".
std::string EnumPrefix(const std::string& type) {
  std::string prefix;
  for (size_t i = 0; i < type.size(); ++i) {
    const unsigned char c = type[i];
    if (i > 0 && std::isupper(c) && !std::isupper(static_cast<unsigned char>(type[i - 1]))) {
      prefix += '_';
    }
    prefix += static_cast<char>(std::toupper(c));
  }
  return prefix + '_';
}

Json EnumJson(const EnumDescriptor& type, int number) {
  if (type.FindValueByNumber(number) == nullptr) return number;
  return EnumName(type, number);
}

Json NumberJson(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

// A float as a decimal that reads back as it, not as the double it is equal to.
Json FloatJson(float value) {
  if (!std::isfinite(value)) return nullptr;
  char text[32];
  snprintf(text, sizeof text, "%.9g", static_cast<double>(value));
  return Json::parse(text, nullptr, false);
}

Json StringJson(const FieldDescriptor& field, const std::string& value) {
  if (field.type() == FieldDescriptor::TYPE_BYTES) return absl::Base64Escape(value);
  return value;
}

Json SingularJson(const Message& message, const Reflection& reflection,
                  const FieldDescriptor* field) {
  std::string scratch;
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32: return reflection.GetInt32(message, field);
    case FieldDescriptor::CPPTYPE_INT64: return reflection.GetInt64(message, field);
    case FieldDescriptor::CPPTYPE_UINT32: return reflection.GetUInt32(message, field);
    case FieldDescriptor::CPPTYPE_UINT64: return reflection.GetUInt64(message, field);
    case FieldDescriptor::CPPTYPE_DOUBLE: return NumberJson(reflection.GetDouble(message, field));
    case FieldDescriptor::CPPTYPE_FLOAT: return FloatJson(reflection.GetFloat(message, field));
    case FieldDescriptor::CPPTYPE_BOOL: return reflection.GetBool(message, field);
    case FieldDescriptor::CPPTYPE_ENUM:
      return EnumJson(*field->enum_type(), reflection.GetEnumValue(message, field));
    case FieldDescriptor::CPPTYPE_STRING:
      return StringJson(*field, reflection.GetStringReference(message, field, &scratch));
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return MessageJson(reflection.GetMessage(message, field));
  }
  return nullptr;
}

Json ElementJson(const Message& message, const Reflection& reflection,
                 const FieldDescriptor* field, int i) {
  std::string scratch;
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32: return reflection.GetRepeatedInt32(message, field, i);
    case FieldDescriptor::CPPTYPE_INT64: return reflection.GetRepeatedInt64(message, field, i);
    case FieldDescriptor::CPPTYPE_UINT32: return reflection.GetRepeatedUInt32(message, field, i);
    case FieldDescriptor::CPPTYPE_UINT64: return reflection.GetRepeatedUInt64(message, field, i);
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return NumberJson(reflection.GetRepeatedDouble(message, field, i));
    case FieldDescriptor::CPPTYPE_FLOAT:
      return FloatJson(reflection.GetRepeatedFloat(message, field, i));
    case FieldDescriptor::CPPTYPE_BOOL: return reflection.GetRepeatedBool(message, field, i);
    case FieldDescriptor::CPPTYPE_ENUM:
      return EnumJson(*field->enum_type(), reflection.GetRepeatedEnumValue(message, field, i));
    case FieldDescriptor::CPPTYPE_STRING:
      return StringJson(*field,
                        reflection.GetRepeatedStringReference(message, field, i, &scratch));
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return MessageJson(reflection.GetRepeatedMessage(message, field, i));
  }
  return nullptr;
}

Json MapJson(const Message& message, const Reflection& reflection, const FieldDescriptor* field) {
  Json object = Json::object();
  const Descriptor& entry = *field->message_type();
  for (int i = 0; i < reflection.FieldSize(message, field); ++i) {
    const Message& pair = reflection.GetRepeatedMessage(message, field, i);
    const Json key = SingularJson(pair, *pair.GetReflection(), entry.map_key());
    object[key.is_string() ? key.get<std::string>() : key.dump()] =
        SingularJson(pair, *pair.GetReflection(), entry.map_value());
  }
  return object;
}

Json MessageJson(const Message& message) {
  Json object = Json::object();
  const Reflection& reflection = *message.GetReflection();
  const Descriptor& type = *message.GetDescriptor();
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor* field = type.field(i);
    Json& value = object[field->name()];
    if (field->is_map()) {
      value = MapJson(message, reflection, field);
    } else if (field->is_repeated()) {
      value = Json::array();
      for (int j = 0; j < reflection.FieldSize(message, field); ++j) {
        value.push_back(ElementJson(message, reflection, field, j));
      }
    } else if (!field->has_presence() || reflection.HasField(message, field)) {
      value = SingularJson(message, reflection, field);
    } else if (field->real_containing_oneof() != nullptr) {
      object.erase(field->name());
    }
  }
  return object;
}

}  // namespace

std::string JsonLine(const Message& message) {
  return MessageJson(message).dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string EnumName(const EnumDescriptor& type, int number) {
  const auto* value = type.FindValueByNumber(number);
  if (value == nullptr) return std::to_string(number);
  const std::string prefix = EnumPrefix(type.name());
  const std::string& name = value->name();
  return name.rfind(prefix, 0) == 0 ? name.substr(prefix.size()) : name;
}

}  // namespace strata
