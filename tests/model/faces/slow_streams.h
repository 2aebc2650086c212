#pragma once
// Which bytes reach the items of streams and, through them, the places of their base, by
// the definition in model/OPTIONS.md ("Streams") and without a shortcut.

#include <cstdint>
#include <vector>

#include "model/model_config.h"
#include "tests/model/naive_scope.h"

namespace strata::testing {

class SlowStreams {
 public:
  // Per item, which bytes have reached it.
  using Sets = std::vector<std::vector<bool>>;

  // Of what enters the base, by place.
  SlowStreams(const LevelConfig& base, const Sets& u) : base_(base) {
    for (const StreamConfig& stream : base.streams) {
      Sets& items = items_.emplace_back();
      for (size_t last = 0; last < u.size(); last += stream.stride) {
        items.emplace_back(u[0].size(), false);
        for (size_t i = 0; i <= last; ++i) {
          if (last - i < size_t(stream.rate)) Join(u[i], &items.back());
        }
      }
    }
  }

  void AfterLayer(Sets* u) {
    for (size_t r = 0; r < items_.size(); ++r) {
      const StreamConfig& stream = base_.streams[r];
      ScopeSpec sees;
      if (stream.window > 0) sees.scope = Scope::kDilated;
      sees.window = stream.window;
      sees.dilation = stream.rate / stream.stride;
      const Sets before = items_[r];
      for (size_t i = 0; i < before.size(); ++i) {
        for (size_t j = 0; j < i; ++j) {
          if (NaiveSees(sees, i, j)) Join(before[j], &items_[r][i]);
        }
      }
      for (size_t i = 0; i < u->size(); ++i) {
        Join(items_[r][i / stream.stride], &(*u)[i]);
      }
    }
  }

 private:
  static void Join(const std::vector<bool>& from, std::vector<bool>* into) {
    for (size_t j = 0; j < into->size(); ++j) {
      if (from[j]) (*into)[j] = true;
    }
  }

  const LevelConfig& base_;
  std::vector<Sets> items_;
};

}  // namespace strata::testing
