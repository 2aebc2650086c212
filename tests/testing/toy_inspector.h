#pragma once
// ToyInspector: an Inspector for tests of what stands above models. Every byte
// surprises by half a bit; the one head of its one layer looks from each position at
// the one before with 3/4, and a bridge from each at a context behind the positions;
// a stream looks like the bridge. `before_pass` runs before each pass.

#include <functional>
#include <string>
#include <utility>

#include "model/base/status_macros.h"
#include "model/inspector.h"

namespace strata {

class ToyInspector final : public Inspector {
 public:
  explicit ToyInspector(ModelConfig config,
                        std::function<void()> before_pass = nullptr)
      : config_(std::move(config)), before_pass_(std::move(before_pass)) {}

  const ModelConfig& config() const override { return config_; }

  absl::StatusOr<Inspection> Inspect(
      absl::string_view text, const InspectOptions& options) const override {
    if (before_pass_) before_pass_();
    const auto bytes = static_cast<int64_t>(text.size());
    STRATA_ASSIGN_OR_RETURN(const auto selection,
                            SelectForInspection(config_, options, bytes));
    Inspection out;
    out.surprise_bits.assign(text.size(), 0.5);
    InspectedLevel level;
    level.selection = selection[0];
    level.items.push_back({0, 0});
    InspectedStack stack;
    stack.layers = 1;
    stack.positions = bytes + 2;
    stack.keys = {{AttendedKey::Kind::kStart, {}, 0},
                  {AttendedKey::Kind::kItem, {0, 0}, 0}};
    AttentionMap map;
    map.rows = {{{{0, 1.0f}}, 0}, {{{0, 0.75f}}, 0.25f}};
    for (int64_t i = 0; i < bytes; ++i) {
      level.items.push_back({i, i + 1});
      stack.keys.push_back({AttendedKey::Kind::kItem, {i, i + 1}, 0});
      map.rows.push_back({{{static_cast<int32_t>(i + 1), 0.75f}}, 0.25f});
    }
    stack.maps.push_back(std::move(map));
    level.stacks.push_back(stack);
    stack.kind = InspectedStack::Kind::kBridge;
    stack.keys.push_back({AttendedKey::Kind::kContext, {0, bytes}, 0});
    stack.maps[0].rows.assign(stack.positions,
                              {{{static_cast<int32_t>(stack.positions), 1.0f}}, 0});
    level.stacks.push_back(stack);
    stack.kind = InspectedStack::Kind::kStream;
    stack.stream = 1;
    stack.rate = 4;
    stack.stride = 2;
    level.stacks.push_back(std::move(stack));
    out.levels.push_back(std::move(level));
    return out;
  }

 private:
  const ModelConfig config_;
  const std::function<void()> before_pass_;
};

}  // namespace strata
