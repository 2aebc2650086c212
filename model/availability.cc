#include "model/availability.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "absl/strings/str_cat.h"
#include "model/base/status_macros.h"
#include "model/decoder_places.h"
#include "model/key_unions.h"
#include "model/knn_rule.h"
#include "model/scope_rule.h"
#include "model/stack_depth.h"
#include "model/stream_availability.h"
#include "model/stream_levels.h"
#include "model/tree_availability.h"
#include "model/unit_ends.h"

namespace strata {
namespace {

// Most bytes a declared reach may ask the pass to walk. Where some layer is full, far
// less is enough whatever the reach (see BytesToExamine).
constexpr int64_t kMaxExaminedBytes = 1 << 12;
// Of all that has to be seen in one walk: its cost grows with the square.
constexpr int64_t kMaxWalkedBytes = 1 << 13;
constexpr int kExaminedLeaves = 9;  // carries over three heights

class ShadowModel {
 public:
  // `ends`: of the byte level's units.
  ShadowModel(const ModelConfig& config, int64_t bytes, ShadowFaults faults,
              UnitEnds ends)
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
  ItemSets Attend(const ItemSets& items, const ScopeSpec& spec,
                  const LevelConfig& level) const {
    if (spec.scope == Scope::kTree) {
      return TreeUnions(items, TreeOf(level), faults_.tree_node_early);
    }
    const int64_t n = static_cast<int64_t>(items.size());
    KeyUnions recent(&items, words_), kept(&items, words_);
    ItemSets out;
    out.reserve(items.size());
    for (int64_t i = 0; i < n; ++i) {
      const VisibleKeys keys = KeysSeen(spec, i, n);
      out.push_back(recent.Of(keys.recent));
      const KeyRun older = ItemsOfKept(spec, keys.kept);
      if (older.count() > 0) Join(kept.Of(older), &out.back());
      Join(items[i], &out.back());
    }
    return out;
  }

  // A unit joins what its pool reads of its block; the incomplete tail is never
  // pooled.
  ItemSets Pool(const ItemSets& h, const LevelConfig& level,
                const UnitEnds& ends) const {
    ItemSets units;
    ByteSet unit = Empty();
    for (size_t i = 0; i < h.size(); ++i) {
      if (level.pool != PoolKind::kLast || ends[i]) Join(h[i], &unit);
      if (!ends[i]) continue;
      units.push_back(std::exchange(unit, Empty()));
    }
    return units;
  }

  UnitEnds EndsOfLevel(size_t l, int64_t items) const {
    if (l == 0) return ends_;
    return WaysToEnd(config_.levels[l], items).front();
  }

  // The decoder's items: those with what o says about them, and prefixes between.
  ItemSets WithPrefixes(const ItemSets& u, const ItemSets& o,
                        const LevelConfig& level) const {
    ItemSets all(DecoderPlaces(level, static_cast<int64_t>(u.size())), Empty());
    for (int64_t i = 0; i < static_cast<int64_t>(u.size()); ++i) {
      const int64_t place = DecoderPlace(level, i);
      all[place] = u[i];
      if (i % level.block != 0) continue;
      for (int64_t r = 0; r <= PrefixItems(level); ++r) {
        Join(OfUnit(o, i / level.block), &all[place - r]);
      }
    }
    return all;
  }

  // Those of the level above that the items of a unit see.
  static std::vector<int64_t> ContextsOf(const LevelConfig& level, int64_t unit) {
    std::vector<int64_t> contexts = {unit};
    if (level.bridge != BridgeKind::kAttention) return contexts;
    const KeyRun seen = KeysSeen(BridgeSpec(level), unit, unit + 1).recent;
    for (int64_t j = seen.begin; j < unit; ++j) contexts.push_back(j);
    return contexts;
  }

  const ByteSet& OfUnit(const ItemSets& o, int64_t unit) const {
    const int64_t shifted = unit + (faults_.no_block_shift ? 1 : 0);
    return o[std::min(shifted, static_cast<int64_t>(o.size()) - 1)];
  }

  ItemSets Level(size_t l, const ItemSets& z) const {
    const LevelConfig& level = config_.levels[l];
    const int64_t n = static_cast<int64_t>(z.size());
    ItemSets h = z;
    for (int run = 0; run < EncoderRuns(level); ++run) {
      h = Attend(h, SpecOf(level, level.enc_scope), level);
    }
    const bool ahead = level.enc_scope == Scope::kBidirBlock;
    const ItemSets& skip = ahead && !faults_.skip_bidirectional ? z : h;
    ItemSets u(n + 1, Empty());
    for (int64_t i = 1; i <= n; ++i) Join(skip[i - 1], &u[i]);
    if (l + 1 < config_.levels.size()) {
      const UnitEnds ends = EndsOfLevel(l, n);
      const ItemSets o = Level(l + 1, Pool(h, level, ends));
      if (level.bridge == BridgeKind::kPrefix) {
        u = WithPrefixes(u, o, level);
      } else {
        int64_t unit = 0;
        for (int64_t i = 0; i <= n; ++i) {
          if (i > 0 && ends[i - 1]) ++unit;
          for (const int64_t said : ContextsOf(level, unit)) {
            Join(OfUnit(o, said), &u[i]);
          }
        }
      }
    }
    StreamUnions streams(level, u, faults_.stream_item_early);
    for (int run = 0; run < DecoderRuns(level); ++run) {
      u = Attend(u, DecoderRunSpec(level, run), level);
      streams.AfterLayer(&u);
    }
    ItemSets c;
    for (int64_t i = 0; i <= n; ++i) {
      c.push_back(std::move(u[DecoderPlace(level, i)]));
    }
    return c;
  }

  const ModelConfig& config_;
  const ShadowFaults faults_;
  const int64_t words_;
  const UnitEnds ends_;
};

bool Has(const ByteSet& set, int64_t byte) {
  return (set[byte / 64] >> (byte % 64)) & 1;
}

// The scopes of a level's layers, in the order in which an item passes them.
std::vector<ScopeSpec> LayerScopes(const LevelConfig& level) {
  std::vector<ScopeSpec> scopes(EncoderRuns(level), SpecOf(level, level.enc_scope));
  scopes.resize(EncoderRuns(level) + DecoderRuns(level), DecoderSpec(level));
  return scopes;
}

// What lies between the items that a layer keeps for ever is in them: the layers
// before it, whose windows have no holes, look back as far as from one to the next.
bool FillsGaps(const LevelConfig& level) {
  int64_t seen = 1;
  for (const ScopeSpec& spec : LayerScopes(level)) {
    const ScopeRule& rule = RuleOf(spec.scope);
    if (rule.gap != nullptr && seen >= rule.gap(spec)) return true;
    if (rule.span != nullptr && Phases(spec) == 1) seen += rule.span(spec) - 1;
  }
  return false;
}

// Some causal layer of some level looks back without bound (a window that no
// sequence can outgrow counts).
bool LooksBackForever(const ModelConfig& config) {
  for (size_t l = 0; l < config.levels.size(); ++l) {
    const LevelConfig& level = config.levels[l];
    const int64_t items =
        MaxItems(config, static_cast<int>(l), config.max_context) + 1;
    if (FillsGaps(level) || StreamsSeeAll(level)) return true;
    for (const ScopeSpec& spec : LayerScopes(level)) {
      const ScopeRule& rule = RuleOf(spec.scope);
      if (rule.endless) return true;
      if (rule.windowed && Phases(spec) == 1 && spec.window >= items) return true;
    }
  }
  return false;
}

// Bytes that the windows of a level's layers look back in all.
int64_t WindowReach(const ModelConfig& config, size_t l) {
  int64_t items = 0;
  for (const ScopeSpec& spec : LayerScopes(config.levels[l])) {
    const ScopeRule& rule = RuleOf(spec.scope);
    if (rule.span != nullptr) items += rule.span(spec);
  }
  return items * ItemBytes(config, static_cast<int>(l));
}

// Bytes after which units, and the items of streams, meet the bytes as before.
int64_t PatternBytes(const ModelConfig& config) {
  return ItemBytes(config, static_cast<int>(config.levels.size()) - 1) *
         StreamPeriod(config.levels[0]);
}

// Bytes until which what a level keeps for ever may hide a blind spot: its first
// items, or, where nothing fills the gaps, the time in which they meet the units in
// every way.
int64_t KeptPattern(const ModelConfig& config, size_t l) {
  const LevelConfig& level = config.levels[l];
  const int64_t item = ItemBytes(config, static_cast<int>(l));
  const int64_t unit = PatternBytes(config);
  int64_t bytes = 0;
  for (const ScopeSpec& spec : LayerScopes(level)) {
    const ScopeRule& rule = RuleOf(spec.scope);
    if (rule.kept_first != nullptr) {
      bytes = std::max(bytes, rule.kept_first(spec) * item);
    }
    if (rule.gap != nullptr && !FillsGaps(level)) {
      bytes = std::max(bytes, std::lcm(unit, rule.gap(spec) * item));
    }
    if (PooledItems(spec) > 1) {
      bytes = std::max(bytes, std::lcm(unit, PooledItems(spec) * item));
    }
  }
  return bytes;
}

// Enough bytes to decide. Masks repeat with period S_top and windows only add
// keys as they slide over older blocks, so leaks, and blind spots inside a
// unit, show in the first two units. Beyond them, a level with an unbounded
// layer sees every complete unit; without one, what is declared must be walked.
// A tree is examined over its first leaves: every later past is cut by the same
// function. Where a pool takes the last item alone, what it misses is hidden for as
// long as the level's own windows reach (WindowReach); where items are kept for
// ever, until their pattern repeats (KeptPattern).
int64_t BytesToExamine(const ModelConfig& config, bool unbounded) {
  const int64_t unit = PatternBytes(config);
  int64_t bytes = 2 * unit + 3;
  for (size_t l = 0; l < config.levels.size(); ++l) {
    const LevelConfig& level = config.levels[l];
    if (level.dec_scope == Scope::kTree) {
      const int64_t leaf = level.leaf * ItemBytes(config, static_cast<int>(l));
      bytes += std::min(kExaminedLeaves * leaf, kMaxExaminedBytes);
    }
    if (level.pool == PoolKind::kLast) bytes += WindowReach(config, l);
    bytes += KeptPattern(config, l);
  }
  return unbounded ? bytes : bytes + std::max<int64_t>(config.reach, 0);
}

// What would make the pass walk too far.
absl::Status CheckWalk(const ModelConfig& config, size_t l) {
  const LevelConfig& level = config.levels[l];
  if (level.pool == PoolKind::kLast &&
      WindowReach(config, l) > kMaxExaminedBytes) {
    return absl::InvalidArgumentError(absl::StrCat(
        "levels[", l, "].window: is ", level.window,
        "; where pool is last, the windows of the level's layers may reach ",
        kMaxExaminedBytes, " bytes in all"));
  }
  const int64_t pattern = KeptPattern(config, l);
  if (pattern <= kMaxExaminedBytes) return absl::OkStatus();
  for (const ScopeParameter& parameter : ScopeParameters()) {
    for (const ScopeSpec& spec : LayerScopes(level)) {
      if (RuleOf(spec.scope).parameter != parameter.value) continue;
      return absl::InvalidArgumentError(absl::StrCat(
          "levels[", l, "].", parameter.name, ": is ", spec.*parameter.value,
          RuleOf(spec.scope).gap == nullptr
              ? "; must cover at most "
              : "; must be at most what windows of layers before reach, or fall "
                "in with the units after at most ",
          kMaxExaminedBytes, " bytes, not ", pattern));
    }
  }
  return absl::OkStatus();
}

absl::Status Refuse(absl::string_view kind, int64_t byte, absl::string_view verb,
                    int64_t position, absl::string_view end = "") {
  return absl::InvalidArgumentError(absl::StrCat(
      kind, ": byte ", byte, verb, " the prediction of byte ", position, end));
}

absl::Status CheckContexts(const ModelConfig& config,
                           const ItemSets& contexts) {
  const auto bytes = static_cast<int64_t>(contexts.size()) - 1;
  for (int64_t t = 0; t < bytes; ++t) {
    for (int64_t j = t; j < bytes; ++j) {
      if (Has(contexts[t], j)) return Refuse("leak", j, " reaches", t);
    }
    const int64_t oldest = config.reach < 0 ? 0 : std::max<int64_t>(0, t - config.reach);
    for (int64_t j = oldest; j < t; ++j) {
      if (!Has(contexts[t], j)) {
        return Refuse("blind spot", j, " does not reach", t,
                      absl::StrCat("; reach is ", config.reach));
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

namespace {

// Of items that all pass every run of their stacks.
absl::Status CheckOneDepth(const ModelConfig& config, ShadowFaults faults) {
  const bool unbounded = LooksBackForever(config);
  const int64_t bytes = BytesToExamine(config, unbounded);
  if (!unbounded && config.reach > kMaxExaminedBytes) {
    return absl::InvalidArgumentError(absl::StrCat(
        "reach: is ", config.reach, "; must be at most ", kMaxExaminedBytes,
        " where no layer has the full scope or sees as much"));
  }
  for (size_t l = 0; l < config.levels.size(); ++l) {
    STRATA_RETURN_IF_ERROR(CheckWalk(config, l));
  }
  if (bytes > kMaxWalkedBytes) {
    return absl::InvalidArgumentError(absl::StrCat(
        "levels: to see that they neither leak nor are blind takes ", bytes,
        " bytes, for their units, trees, pools and windows together; at most ",
        kMaxWalkedBytes, " are examined"));
  }
  for (UnitEnds& ends : WaysToEnd(config.levels[0], bytes)) {
    STRATA_RETURN_IF_ERROR(CheckContexts(
        config, ShadowModel(config, bytes, faults, std::move(ends))
                    .Contexts(bytes)));
  }
  if (config.reach < 0 && !unbounded) {
    return absl::InvalidArgumentError(
        "blind spot: reach is -1 (everything) but no layer has the full scope or "
        "sees as much; declare a finite reach");
  }
  return absl::OkStatus();
}

}  // namespace

// An item that stops early, or chooses no neighbour, sees less than others: it may be no
// more blind than they.
absl::Status CheckAvailability(const ModelConfig& config, ShadowFaults faults) {
  STRATA_RETURN_IF_ERROR(CheckOneDepth(config, faults));
  const ModelConfig shallowest = Shallowest(config);
  if (shallowest == config) return absl::OkStatus();
  const auto status = CheckOneDepth(shallowest, faults);
  if (status.ok()) return status;
  return absl::InvalidArgumentError(
      absl::StrCat(status.message(), ", where items stop as early as they may and "
                                     "no neighbour is chosen, as far as this config "
                                     "lets them"));
}

}  // namespace strata
