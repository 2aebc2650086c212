#pragma once
// A protobuf message as one line of JSON, for scripts:
//   - the proto's own field names, in the order of their declaration;
//   - defaults printed, so that a key is always there; an absent message or
//     `optional` scalar is null, and of a `oneof` only the member that is set;
//   - every number a number, 64-bit ones too; NaN and infinities are null;
//   - enum values bare, without the prefix that their type's name makes
//     (FINISH_REASON_EOS is "EOS"); an unknown value is its number;
//   - bytes as base64.
// Works by reflection, so that a new field needs no code. Thread-safe.

#include <string>

#include "google/protobuf/message.h"

namespace strata {

// Without a line end.
std::string JsonLine(const google::protobuf::Message& message);

// The bare name of an enum value, as in the JSON.
std::string EnumName(const google::protobuf::EnumDescriptor& type, int number);

}  // namespace strata
