#include "model/availability.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "model/base/status_macros.h"
#include "model/scope_mask.h"
#include "model/tree_availability.h"

namespace strata {
namespace {

// Most bytes a declared reach may ask the pass to walk. Where some layer is
// full, far less is enough whatever the reach (see BytesToExamine).
constexpr int64_t kMaxExaminedBytes = 1 << 12;
constexpr int kExaminedLeaves = 9;  // carries over three heights

// A set of bytes of [0, 64 * words).
using ByteSet = std::vector<uint64_t>;
using ItemSets = std::vector<ByteSet>;

void Join(const ByteSet& from, ByteSet* into) {
  for (size_t w = 0; w < into->size(); ++w) (*into)[w] |= from[w];
}

// Unions over ranges whose ends never move back, at two joins a step: the keys
// from `middle_` on are joined as they come, those before it are kept as
// unions of suffixes, made anew when they run out.
class RangeUnion {
 public:
  RangeUnion(const ItemSets& items, int64_t words)
      : items_(items), recent_(words, 0) {}

  ByteSet Of(KeyRange keys) {
    for (; end_ < keys.end; ++end_) Join(items_[end_], &recent_);
    if (keys.begin > begin_ && keys.begin >= middle_) Rebuild(keys.begin);
    begin_ = keys.begin;
    ByteSet out = recent_;
    if (begin_ < middle_) Join(older_[middle_ - 1 - begin_], &out);
    return out;
  }

 private:
  // older_[k] = union of [end_ - 1 - k, end_)
  void Rebuild(int64_t begin) {
    middle_ = std::max(begin, end_);
    older_.clear();
    std::fill(recent_.begin(), recent_.end(), 0);
    for (int64_t i = end_ - 1; i >= begin; --i) {
      older_.push_back(items_[i]);
      if (older_.size() > 1) Join(older_[older_.size() - 2], &older_.back());
    }
  }

  const ItemSets& items_;
  ByteSet recent_;    // [middle_, end_)
  ItemSets older_;    // suffixes of [begin_, middle_)
  int64_t begin_ = 0;
  int64_t middle_ = 0;
  int64_t end_ = 0;
};

// Per item whether a unit ends with it.
using Ends = std::vector<uint8_t>;

// Units of `length(k)` items each.
template <typename Length>
Ends EndsOf(int64_t items, Length length) {
  Ends ends(items, 0);
  int64_t end = 0;
  for (int64_t k = 0; (end += length(k)) <= items; ++k) ends[end - 1] = 1;
  return ends;
}

// Where the byte level's units may end: one way where blocks are fixed; where the
// bytes decide, the longest units, the shortest, both in turn, and a mixture.
std::vector<Ends> WaysToEnd(const LevelConfig& level, int64_t bytes) {
  const int64_t longest = level.block;
  if (longest == 0) return {Ends(bytes, 0)};
  const auto all = EndsOf(bytes, [=](int64_t) { return longest; });
  if (level.block_rule == BlockRule::kFixed) return {all};
  const int64_t shortest = level.block_min;
  return {all, EndsOf(bytes, [=](int64_t) { return shortest; }),
          EndsOf(bytes, [=](int64_t k) { return k % 2 ? longest : shortest; }),
          EndsOf(bytes, [=](int64_t k) {
            return shortest + k * k * 7 % (longest - shortest + 1);
          })};
}

class ShadowModel {
 public:
  // `ends`: of the byte level's units.
  ShadowModel(const ModelConfig& config, int64_t bytes, ShadowFaults faults,
              Ends ends)
      : config_(config),
        faults_(faults),
        words_((bytes + 63) / 64),
        ends_(std::move(ends)) {}

  // Contexts of the byte level over `bytes` items; entry t predicts byte t.
  ItemSets Contexts(int64_t bytes) const {
    ItemSets items(bytes, Empty());
    for (int64_t t = 0; t < bytes; ++t) {
      items[t][t / 64] |= uint64_t{1} << (t % 64);
    }
    return Level(0, items);
  }

 private:
  ByteSet Empty() const { return ByteSet(words_, 0); }

  // One layer: a query joins every key that the scope shows it, and itself
  // (the residual).
  ItemSets Attend(const ItemSets& items, Scope scope,
                  const LevelConfig& level) const {
    if (scope == Scope::kTree) {
      return TreeUnions(items, TreeOf(level), faults_.tree_node_early);
    }
    const int64_t n = static_cast<int64_t>(items.size());
    RangeUnion visible(items, words_);
    ItemSets out;
    out.reserve(items.size());
    for (int64_t i = 0; i < n; ++i) {
      const KeyRange keys = VisibleKeys(scope, i, n, level.window, level.block);
      out.push_back(visible.Of(keys));
      Join(items[i], &out.back());
    }
    return out;
  }

  ItemSets Stack(ItemSets items, int layers, Scope scope,
                 const LevelConfig& level) const {
    for (int layer = 0; layer < layers; ++layer) {
      items = Attend(items, scope, level);
    }
    return items;
  }

  // A unit joins what its pool reads of its block; the incomplete tail is never
  // pooled.
  ItemSets Pool(const ItemSets& h, const LevelConfig& level,
                const Ends& ends) const {
    ItemSets units;
    ByteSet unit = Empty();
    for (size_t i = 0; i < h.size(); ++i) {
      if (level.pool != PoolKind::kLast || ends[i]) Join(h[i], &unit);
      if (!ends[i]) continue;
      units.push_back(std::exchange(unit, Empty()));
    }
    return units;
  }

  Ends EndsOfLevel(size_t l, int64_t items) const {
    if (l == 0) return ends_;
    return WaysToEnd(config_.levels[l], items).front();
  }

  ItemSets Level(size_t l, const ItemSets& z) const {
    const LevelConfig& level = config_.levels[l];
    const int64_t n = static_cast<int64_t>(z.size());
    const ItemSets h = Stack(z, level.enc_layers, level.enc_scope, level);
    const bool ahead = level.enc_scope == Scope::kBidirBlock;
    const ItemSets& skip = ahead && !faults_.skip_bidirectional ? z : h;
    ItemSets u(n + 1, Empty());
    for (int64_t i = 1; i <= n; ++i) Join(skip[i - 1], &u[i]);
    if (l + 1 < config_.levels.size()) {
      const Ends ends = EndsOfLevel(l, n);
      const ItemSets o = Level(l + 1, Pool(h, level, ends));
      const int64_t last = static_cast<int64_t>(o.size()) - 1;
      int64_t unit = faults_.no_block_shift ? 1 : 0;
      for (int64_t i = 0; i <= n; ++i) {
        if (i > 0 && ends[i - 1]) ++unit;
        Join(o[std::min(unit, last)], &u[i]);
      }
    }
    return Stack(std::move(u), level.dec_layers, level.dec_scope, level);
  }

  const ModelConfig& config_;
  const ShadowFaults faults_;
  const int64_t words_;
  const Ends ends_;
};

bool Has(const ByteSet& set, int64_t byte) {
  return (set[byte / 64] >> (byte % 64)) & 1;
}

// Some causal layer of some level looks back without bound (a window that no
// sequence can outgrow counts).
bool LooksBackForever(const ModelConfig& config) {
  for (size_t l = 0; l < config.levels.size(); ++l) {
    const LevelConfig& level = config.levels[l];
    const int64_t items =
        MaxItems(config, static_cast<int>(l), config.max_context) + 1;
    const auto unbounded = [&](Scope scope) {
      return scope == Scope::kFull || scope == Scope::kTree ||
             (scope == Scope::kWindow && level.window >= items);
    };
    if (level.enc_layers > 0 && unbounded(level.enc_scope)) return true;
    if (level.dec_layers > 0 && unbounded(level.dec_scope)) return true;
  }
  return false;
}

// Bytes that the windows of a level's layers look back in all.
int64_t WindowReach(const ModelConfig& config, size_t l) {
  const LevelConfig& level = config.levels[l];
  const int64_t layers =
      (level.enc_scope == Scope::kWindow ? level.enc_layers : 0) +
      (level.dec_scope == Scope::kWindow ? level.dec_layers : 0);
  return layers * level.window * ItemBytes(config, static_cast<int>(l));
}

// Enough bytes to decide. Masks repeat with period S_top and windows only add
// keys as they slide over older blocks, so leaks, and blind spots inside a
// unit, show in the first two units. Beyond them, a level with an unbounded
// layer sees every complete unit; without one, what is declared must be walked.
// A tree is examined over its first leaves: every later past is cut by the same
// function. Where a pool takes the last item alone, what it misses is hidden for as
// long as the level's own windows reach (WindowReach).
int64_t BytesToExamine(const ModelConfig& config, bool unbounded) {
  const int64_t unit =
      ItemBytes(config, static_cast<int>(config.levels.size()) - 1);
  int64_t bytes = 2 * unit + 3;
  for (size_t l = 0; l < config.levels.size(); ++l) {
    if (config.levels[l].dec_scope != Scope::kTree) continue;
    const int64_t leaf =
        config.levels[l].leaf * ItemBytes(config, static_cast<int>(l));
    bytes += std::min(kExaminedLeaves * leaf, kMaxExaminedBytes);
  }
  for (size_t l = 0; l < config.levels.size(); ++l) {
    if (config.levels[l].pool == PoolKind::kLast) bytes += WindowReach(config, l);
  }
  return unbounded ? bytes : bytes + std::max<int64_t>(config.reach, 0);
}

absl::Status Refuse(absl::string_view kind, int64_t byte, absl::string_view verb,
                    int64_t position) {
  return absl::InvalidArgumentError(absl::StrCat(
      kind, ": byte ", byte, verb, " the prediction of byte ", position));
}

absl::Status CheckContexts(const ModelConfig& config,
                           const ItemSets& contexts) {
  const int64_t bytes = static_cast<int64_t>(contexts.size()) - 1;
  for (int64_t t = 0; t < bytes; ++t) {
    for (int64_t j = t; j < bytes; ++j) {
      if (Has(contexts[t], j)) return Refuse("leak", j, " reaches", t);
    }
    const int64_t oldest =
        config.reach < 0 ? 0 : std::max<int64_t>(0, t - config.reach);
    for (int64_t j = oldest; j < t; ++j) {
      if (!Has(contexts[t], j)) {
        return Refuse("blind spot", j, " does not reach", t);
      }
    }
  }
  return absl::OkStatus();
}

}  // namespace

std::vector<std::vector<uint8_t>> Availability(const ModelConfig& config,
                                               int64_t bytes,
                                               ShadowFaults faults) {
  const ItemSets contexts =
      ShadowModel(config, bytes, faults,
                  WaysToEnd(config.levels[0], bytes).front())
          .Contexts(bytes);
  std::vector<std::vector<uint8_t>> reach(bytes, std::vector<uint8_t>(bytes));
  for (int64_t t = 0; t < bytes; ++t) {
    for (int64_t j = 0; j < bytes; ++j) reach[t][j] = Has(contexts[t], j);
  }
  return reach;
}

absl::Status CheckAvailability(const ModelConfig& config, ShadowFaults faults) {
  const bool unbounded = LooksBackForever(config);
  const int64_t bytes = BytesToExamine(config, unbounded);
  if (!unbounded && config.reach > kMaxExaminedBytes) {
    return absl::InvalidArgumentError(absl::StrCat(
        "reach: is ", config.reach, "; must be at most ", kMaxExaminedBytes,
        " where no layer has the full scope"));
  }
  for (size_t l = 0; l < config.levels.size(); ++l) {
    if (config.levels[l].pool != PoolKind::kLast ||
        WindowReach(config, l) <= kMaxExaminedBytes) {
      continue;
    }
    return absl::InvalidArgumentError(absl::StrCat(
        "levels[", l, "].window: is ", config.levels[l].window,
        "; where pool is last, the windows of the level's layers may reach ",
        kMaxExaminedBytes, " bytes in all"));
  }
  for (Ends& ends : WaysToEnd(config.levels[0], bytes)) {
    STRATA_RETURN_IF_ERROR(CheckContexts(
        config, ShadowModel(config, bytes, faults, std::move(ends))
                    .Contexts(bytes)));
  }
  if (config.reach < 0 && !unbounded) {
    return absl::InvalidArgumentError(
        "blind spot: reach is -1 (everything) but no layer has the full scope; "
        "declare a finite reach");
  }
  return absl::OkStatus();
}

}  // namespace strata
