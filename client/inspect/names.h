#pragma once
// What stacks and keys of an inspection are called where a person reads them. Pure
// functions.

#include <cstddef>
#include <string>

#include "strata/v1/inspect.pb.h"

namespace strata {

// "encoder", "bridge", "stream 0".
std::string StackName(const v1::InspectedStack& stack);

// `3–7 "lve "`, "start", "prefix at 8"; at most `max_bytes` of the text.
std::string KeyName(const std::string& text, const v1::InspectedKey& key, size_t max_bytes);

}  // namespace strata
