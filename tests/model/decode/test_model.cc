#include "tests/model/decode/test_model.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <utility>

#include "model/base/random.h"
#include "tests/model/decode/naive_bridge.h"
#include "tests/model/decode/naive_depth.h"
#include "tests/model/decode/naive_gate.h"
#include "tests/model/decode/naive_knn.h"
#include "tests/model/decode/naive_linear.h"
#include "tests/model/decode/naive_math.h"
#include "tests/model/decode/naive_position.h"
#include "tests/model/decode/naive_streams.h"
#include "tests/model/decode/naive_tree.h"
#include "tests/model/naive_scope.h"

namespace strata {
namespace {

using naive::AttendOne;
using naive::Part;
using naive::RmsNorm;
using naive::Rotate;
using naive::Times;

class Naive {
 public:
  Naive(const ModelConfig& config, const TestWeights& weights)
      : config_(config), w_(weights) {}

  // `items`: at the byte level, what was embedded.
  Rows Level(size_t l, const Rows& z, const std::vector<Item>& items) const {
    const LevelConfig& level = config_.levels[l];
    const std::string at = "level." + std::to_string(l) + ".";
    Rows h = z;
    Stack(l, at + "enc.", level.enc_layers, SpecOf(level, level.enc_scope), &h);
    const bool bidirectional =
        level.enc_layers > 0 && level.enc_scope == Scope::kBidirBlock;
    const Rows& skip = bidirectional ? z : h;
    Rows o;
    std::vector<size_t> begins = {0};  // first item of each unit
    if (l + 1 < config_.levels.size()) {
      const bool routed = level.block_rule == BlockRule::kRouter;
      const std::vector<double> p =
          routed ? EndProbabilities(w_.at(at + "router.weight"), h)
                 : std::vector<double>();
      begins = Begins(level, z.size(), items, p);
      o = Level(l + 1, Pool(l, h, begins), {});
      for (size_t j = 1; routed && j < o.size(); ++j) {
        const double share = std::max(p[begins[j] - 1], 0.5);
        for (size_t d = 0; d < o[j].size(); ++d) {
          o[j][d] = share * o[j][d] + (1 - share) * o[j - 1][d];
        }
      }
    }
    size_t unit = 0;
    Rows u;
    std::vector<size_t> contexts;  // rows of u that predict
    const bool prefix = level.bridge == BridgeKind::kPrefix;
    for (size_t i = 0; i <= z.size(); ++i) {
      std::vector<double> x = i == 0 ? w_.at(at + "start") : skip[i - 1];
      if (prefix && i % level.block == 0) {
        const auto all = Times(w_.at(at + "bridge.weight"), o[i / level.block]);
        for (int r = 0; r < level.prefix; ++r) {
          const auto said = Part(all, r * level.dim, level.dim);
          if (r + 1 < level.prefix) u.push_back(said);
          if (r + 1 == level.prefix) naive::Add(&x, said);
        }
      } else if (!prefix && !o.empty()) {
        if (unit + 1 < begins.size() && begins[unit + 1] == i) ++unit;
        const auto all = Times(w_.at(at + "bridge.weight"), o[unit]);
        const size_t row =
            level.bridge == BridgeKind::kRepeat ? 0 : i - begins[unit];
        naive::Add(&x, Part(all, row * level.dim, level.dim));
        if (level.bridge == BridgeKind::kAttention) {
          const Rows known(o.begin(), o.begin() + unit + 1);
          naive::AttendContexts(level, w_, at, known, &x);
        }
      }
      contexts.push_back(u.size());
      u.push_back(x);
    }
    ScopeSpec sees = SpecOf(level, level.dec_scope);
    if (prefix) sees.block += level.prefix - 1;
    Stack(l, at + "dec.", level.dec_layers, sees, &u);
    Rows c;
    for (const size_t i : contexts) {
      c.push_back(RmsNorm(u[i], w_.at(at + "norm.weight")));
    }
    return c;
  }

 private:
  void Stack(size_t l, const std::string& at, int layers,
             const ScopeSpec& spec, Rows* x) const {
    const LevelConfig& level = config_.levels[l];
    const size_t d = level.dim;
    std::vector<Rows> streams;
    const bool decodes = at.find(".dec.") != std::string::npos;
    for (size_t r = 0; decodes && r < level.streams.size(); ++r) {
      streams.push_back(naive::CompressedItems(level, w_, r, *x));
    }
    for (size_t i = 0; layers > 0 && i < x->size(); ++i) {
      naive::Add(&(*x)[i],
                 NaiveEntrance(level, config_.rope_theta, i,
                               Under("level." + std::to_string(l) + ".")));
    }
    naive::Depth depth(level, layers, x->size());
    // Of two streams, the one that attention reads and the feed-forward enters.
    const bool two = level.gate == GateKind::kReversible && layers > 0;
    Rows second = *x;
    Rows& read = two ? second : *x;
    for (int run = 0; run < level.repeats * layers; ++run) {
      const std::string p = at + std::to_string(run % layers) + ".";
      if (level.repeats > 1 && run % layers == 0) {
        for (size_t i = 0; i < x->size(); ++i) {
          if (depth.Stopped(i)) continue;
          const auto row = Part(w_.at(at + "repeat"), run / layers * d, d);
          naive::Add(&(*x)[i], row);
          if (two) naive::Add(&second[i], row);
        }
      }
      Layer(level, p, spec, depth, decodes && run + 1 == level.knn_layer, x, &read);
      for (size_t r = 0; r < streams.size(); ++r) {
        const LevelConfig own = naive::LevelOfStream(level, r);
        Layer(own, naive::NameOfStream(r) + "dec." + std::to_string(run) + ".",
              naive::SightOfStream(level.streams[r]),
              naive::Depth(own, layers, streams[r].size()), false, &streams[r],
              &streams[r]);
      }
      if (!streams.empty()) naive::TakeUpStreams(level, w_, run, streams, x);
      depth.AfterRun(run, w_, at, *x);
    }
    depth.Finish(x);
    for (size_t i = 0; two && i < x->size(); ++i) {
      for (size_t k = 0; k < d; ++k) (*x)[i][k] = ((*x)[i][k] + second[i][k]) / 2;
    }
  }

  // `p`: the names of its tensors begin so. `looks_up`: it has neighbours. Attention
  // reads `read` and enters x, the feed-forward reads x and enters `read`.
  void Layer(const LevelConfig& level, const std::string& p, const ScopeSpec& spec,
             const naive::Depth& depth, bool looks_up, Rows* x, Rows* read) const {
    const Scope scope = spec.scope;
    const size_t d = level.dim;
    const size_t width = d / level.heads;
    Rows qkv;
    for (const auto& row : *read) {
      qkv.push_back(Times(w_.at(p + "attn.qkv.weight"),
                          RmsNorm(row, w_.at(p + "attn.norm.weight"))));
    }
    NaiveTree tree(level, config_.rope_theta, w_, p, qkv);
    const bool in_tree = scope == Scope::kTree;
    for (size_t i = 0; i < x->size(); ++i) {
      if (depth.Stopped(i)) continue;
      std::vector<double> joined;
      for (int h = 0; h < level.heads; ++h) {
        std::vector<double> q = Part(qkv[i], h * width, width);
        std::vector<double> scores, out;
        Rows keys, values;
        if (in_tree) {
          Rotate(&q, i % level.leaf, config_.rope_theta);
          tree.See(i, h, &keys, &values);
          out = AttendOne(q, keys, values);
        } else {
          for (size_t j = 0; j < x->size(); ++j) {
            if (!testing::NaiveSees(spec, i, j)) continue;
            const auto k = Part(qkv[j], d + h * width, width);
            scores.push_back(
                RuleOf(scope).summed
                    ? naive::FeatureScore(level, config_.rope_theta, i, j, q, k)
                    : NaiveScore(level, config_.rope_theta, scope, h, i, j, q, k,
                                 Under(p + "attn.")));
            values.push_back(Part(qkv[j], 2 * d + h * width, width));
          }
          for (size_t j = 0; j < i; ++j) {
            if (!testing::NaiveSeesMean(spec, i, j)) continue;
            const auto mean = naive::MeanOfRows(qkv, j + 1 - spec.rate, spec.rate);
            scores.push_back(NaiveScore(level, config_.rope_theta, scope, h, i, j, q,
                                        Part(mean, d + h * width, width),
                                        Under(p + "attn.")));
            values.push_back(Part(mean, 2 * d + h * width, width));
          }
          out = RuleOf(scope).summed ? naive::Shared(scores, values)
                                     : naive::Mixed(scores, values);
          if (looks_up) {
            out = naive::WithNeighbours(level, w_, p + "attn.", qkv, (*x)[i],
                                        static_cast<int>(i), h, out);
          }
        }
        joined.insert(joined.end(), out.begin(), out.end());
      }
      // Safe in place: every q, k, v was computed above.
      naive::Enter(level, w_, p + "attn_gate.",
                   Times(w_.at(p + "attn.out.weight"), joined), &(*x)[i]);
    }
    for (size_t i = 0; i < x->size(); ++i) {
      if (depth.Stopped(i)) continue;
      const auto& row = (*x)[i];
      auto f = Times(w_.at(p + "ff.up.weight"),
                     RmsNorm(row, w_.at(p + "ff.norm.weight")));
      for (double& v : f) {
        v = v / 2 * (1 + std::tanh(std::sqrt(2 / M_PI) *
                                   (v + 0.044715 * v * v * v)));
      }
      naive::Enter(level, w_, p + "ff_gate.",
                   Times(w_.at(p + "ff.down.weight"), f), &(*read)[i]);
    }
  }

  PositionWeight Under(const std::string& prefix) const {
    return [this, prefix](const std::string& name) -> const std::vector<double>& {
      return w_.at(prefix + name);
    };
  }

  // What a router makes of the items: 0 for the first one.
  static std::vector<double> EndProbabilities(const std::vector<double>& weight,
                                              const Rows& h) {
    std::vector<double> p, query;
    for (const auto& x : h) {
      const auto both = Times(weight, x);
      const auto key = Part(both, x.size(), x.size());
      double dot = 0, queries = 0, keys = 0;
      for (size_t d = 0; d < query.size(); ++d) {
        dot += query[d] * key[d];
        queries += query[d] * query[d];
        keys += key[d] * key[d];
      }
      p.push_back(query.empty() ? 0 : (1 - dot / std::sqrt(queries * keys)) / 2);
      query = Part(both, 0, x.size());
    }
    return p;
  }

  // Where units begin, the incomplete one included. `p`: of a router.
  // Bits of a piece's class: 4, 2, 1 as model/unit_rule.h says; -1 of other items.
  static int Class(const LevelConfig& level, Item x) {
    int found = -1;
    for (int64_t after = x - 259; after > 0; after -= level.piece_classes[found]) {
      ++found;
    }
    return found;
  }
  static bool IsSpace(Item x) {
    return x > 255 || !(std::isalnum(x) || (x >= 0x80 && x <= 0xBF));
  }
  static bool BeginsWithSpace(const LevelConfig& level, Item x) {
    return x < 260 ? IsSpace(x) : Class(level, x) >= 4;
  }
  static bool HoldsWordEnd(const LevelConfig& level, Item x) {
    return x >= 260 && Class(level, x) % 4 >= 2;
  }
  static bool EndsInSpace(const LevelConfig& level, Item x) {
    return x < 260 ? IsSpace(x) : Class(level, x) % 2 == 0;
  }

  static std::vector<size_t> Begins(const LevelConfig& level, size_t n,
                                    const std::vector<Item>& items,
                                    const std::vector<double>& p) {
    std::vector<size_t> begins = {0};
    for (size_t i = 0; i < n; ++i) {
      const size_t length = i + 1 - begins.back();
      bool ends = length == size_t(level.block);
      if (level.block_rule == BlockRule::kSpacelike) {
        const bool after_word = i > 0 && !EndsInSpace(level, items[i - 1]);
        ends = ends || (length >= size_t(level.block_min) &&
                        (HoldsWordEnd(level, items[i]) ||
                         (after_word && BeginsWithSpace(level, items[i]))));
      }
      if (!p.empty()) {
        ends = ends || (length >= size_t(level.block_min) && p[i] >= 0.5);
      }
      if (ends) begins.push_back(i + 1);
    }
    return begins;
  }

  Rows Pool(size_t l, const Rows& h, const std::vector<size_t>& begins) const {
    const LevelConfig& level = config_.levels[l];
    const std::string p = "level." + std::to_string(l) + ".pool.";
    Rows out;
    for (size_t unit = 0; unit + 1 < begins.size(); ++unit) {
      Rows g;
      for (size_t i = begins[unit]; i < begins[unit + 1]; ++i) {
        g.push_back(RmsNorm(h[i], w_.at(p + "norm.weight")));
      }
      out.push_back(Times(w_.at(p + "out.weight"), Mix(level, p, g)));
    }
    return out;
  }

  std::vector<double> Mix(const LevelConfig& level, const std::string& p,
                          const Rows& g) const {
    std::vector<double> mixed;
    switch (level.pool) {
      case PoolKind::kAttention:
        return MixAttention(level, p, g);
      case PoolKind::kMean:
        mixed.resize(level.dim);
        for (const auto& row : g) naive::Add(&mixed, row);
        for (double& v : mixed) v /= level.block;
        return mixed;
      case PoolKind::kLast:
        return g.back();
      case PoolKind::kConcat:
        for (const auto& row : g) {
          mixed.insert(mixed.end(), row.begin(), row.end());
        }
        return mixed;
    }
    return mixed;
  }

  std::vector<double> MixAttention(const LevelConfig& level,
                                   const std::string& p, Rows g) const {
    const size_t d = level.dim;
    const size_t width = d / level.heads;
    Rows keys, values;
    for (int r = 0; r < level.block; ++r) {
      naive::Add(&g[r], Part(w_.at(p + "offset"), r * d, d));
      keys.push_back(Times(w_.at(p + "key.weight"), g[r]));
      values.push_back(Times(w_.at(p + "value.weight"), g[r]));
    }
    std::vector<double> joined;
    for (int head = 0; head < level.heads; ++head) {
      Rows k, v;
      for (int r = 0; r < level.block; ++r) {
        k.push_back(Part(keys[r], head * width, width));
        v.push_back(Part(values[r], head * width, width));
      }
      const auto one =
          AttendOne(Part(w_.at(p + "query"), head * width, width), k, v);
      joined.insert(joined.end(), one.begin(), one.end());
    }
    return joined;
  }

  const ModelConfig& config_;
  const TestWeights& w_;
};

}  // namespace

Rows NaiveLogits(const ModelConfig& config, const TestWeights& weights,
                 const std::vector<Item>& items) {
  const size_t d = config.levels[0].dim;
  Rows z;
  for (const Item item : items) {
    z.push_back(Part(weights.at("embedding.weight"), item * d, d));
  }
  Rows logits;
  for (const auto& c : Naive(config, weights).Level(0, z, items)) {
    logits.push_back(Times(weights.at("head.weight"), c));
  }
  return logits;
}

bool Compares(const ModelConfig& config) {
  bool compares = config.levels[0].block_rule == BlockRule::kRouter;
  for (const LevelConfig& level : config.levels) {
    compares = compares || level.ponder > 0 || level.exits > 0 || level.knn_layer > 0;
  }
  return compares;
}

std::vector<Item> RandomItems(int64_t n, uint64_t seed, int vocab) {
  const auto texts = static_cast<uint64_t>(vocab - 4);
  std::vector<Item> items;
  for (int64_t i = 0; i < n; ++i) {
    const auto drawn = static_cast<Item>(RandomBits(seed, 1, i) % texts);
    items.push_back(i == 0 ? kSos : drawn < 256 ? drawn : drawn + 4);
  }
  return items;
}

}  // namespace strata
