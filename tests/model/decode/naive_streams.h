#pragma once
// Streams beside a decoder, by model/OPTIONS.md ("Streams"), item by item. Shares nothing
// with the executors.

#include <cmath>
#include <string>
#include <vector>

#include "model/model_config.h"
#include "tests/model/decode/naive_math.h"
#include "tests/model/decode/test_model.h"

namespace strata::naive {

// A layer of stream r is one of such a level.
inline LevelConfig LevelOfStream(const LevelConfig& base, size_t r) {
  LevelConfig level;
  level.dim = base.streams[r].dim;
  level.heads = base.streams[r].heads;
  level.ff_mult = base.ff_mult;
  level.gate = base.gate;
  return level;
}

// What its items see of one another.
inline ScopeSpec SightOfStream(const StreamConfig& stream) {
  ScopeSpec spec;
  const int apart = stream.rate / stream.stride;
  if (stream.window == 0) return spec;
  spec.scope = apart > 1 ? Scope::kDilated : Scope::kWindow;
  spec.window = stream.window;
  spec.dilation = apart;
  return spec;
}

inline std::string NameOfStream(size_t r) {
  return "level.0.streams." + std::to_string(r) + ".";
}

// Item j stands where u[j stride] does, and has read u[0] .. u[j stride] as far as rate
// goes.
inline Rows CompressedItems(const LevelConfig& base, const TestWeights& w, size_t r,
                            const Rows& u) {
  const StreamConfig& stream = base.streams[r];
  Rows items;
  for (size_t i = 0; i < u.size(); i += stream.stride) {
    Vector read;
    for (int back = stream.rate - 1; back >= 0; --back) {
      const bool there = size_t(back) <= i;
      const Vector place = there ? u[i - back] : Vector(base.dim);
      read.insert(read.end(), place.begin(), place.end());
    }
    items.push_back(RmsNorm(Times(w.at(NameOfStream(r) + "compress.weight"), read),
                            w.at(NameOfStream(r) + "norm.weight")));
  }
  return items;
}

// After layer m of the decoder and of each stream.
inline void TakeUpStreams(const LevelConfig& base, const TestWeights& w, int m,
                          const std::vector<Rows>& streams, Rows* x) {
  const std::string p = "level.0.streams.merge." + std::to_string(m) + ".";
  for (size_t i = 0; i < x->size(); ++i) {
    Vector all = (*x)[i];
    for (size_t r = 0; r < streams.size(); ++r) {
      const Vector& newest = streams[r][i / base.streams[r].stride];
      all.insert(all.end(), newest.begin(), newest.end());
    }
    Vector hidden = Times(w.at(p + "up.weight"), RmsNorm(all, w.at(p + "norm.weight")));
    for (double& v : hidden) v = v / (1 + std::exp(-v));
    Add(&(*x)[i], Times(w.at(p + "down.weight"), hidden));
  }
}

}  // namespace strata::naive
