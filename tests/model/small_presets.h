#pragma once
// The generative presets at their smallest size: the one list of the property
// suites. A preset added here gets all of them.

namespace strata::testing {

inline constexpr const char* kSmallPresets[] = {
    "block",     "block-literal", "block-transformer", "dynamic",     "flat",
    "hourglass", "megabyte",      "multirate",         "spacebyte",   "three-level",
    "tree"};

}  // namespace strata::testing
