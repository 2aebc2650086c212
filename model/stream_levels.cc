#include "model/stream_levels.h"

#include <algorithm>
#include <numeric>
#include <string>

#include "absl/strings/str_cat.h"
#include "model/base/status_macros.h"
#include "model/field_check.h"

namespace strata {
namespace {

// Rows of training are multiples of it, and the availability pass walks some of them.
constexpr int64_t kMaxPeriod = 256;
constexpr int kMaxWindow = 1 << 24;

absl::Status Refuse(const std::string& at, absl::string_view field,
                    absl::string_view value, absl::string_view why) {
  return BadField(absl::StrCat(at, field),
                  absl::StrCat("is ", value, "; must be ", why));
}

absl::Status ValidateStream(const LevelConfig& base, const StreamConfig& stream,
                            const std::string& at) {
  STRATA_RETURN_IF_ERROR(InRange(at + "rate", stream.rate, 2, kMaxStreamRate));
  STRATA_RETURN_IF_ERROR(InRange(at + "stride", stream.stride, 1, stream.rate));
  if (stream.rate % stream.stride != 0) {
    return BadField(at + "stride", absl::StrCat("is ", stream.stride,
                                                "; must divide rate, which is ",
                                                stream.rate));
  }
  STRATA_RETURN_IF_ERROR(CheckWidths(at, stream.dim, stream.heads, base.ff_mult));
  const bool overlaps = stream.stride < stream.rate;
  STRATA_RETURN_IF_ERROR(
      InRange(at + "window", stream.window, 0, kMaxWindow / stream.rate));
  if (!overlaps || stream.window > 0) return absl::OkStatus();
  return BadField(at + "window",
                  "is 0; must be at least 1 where stride is less than rate: items that "
                  "overlap are seen every rate / stride, in rings of their own, which "
                  "have an end");
}

// Of a level with streams, the parts that they have not been built for.
absl::Status ValidateBase(const LevelConfig& base, const std::string& at) {
  constexpr absl::string_view kWith = " where there are streams";
  if (base.dec_layers == 0) {
    return Refuse(at, "dec_layers", "0",
                  absl::StrCat("at least 1", kWith, ": they enter after each layer"));
  }
  if (base.repeats > 1) {
    return Refuse(at, "repeats", absl::StrCat(base.repeats),
                  absl::StrCat("1", kWith, ": their layers run once, beside those of "
                                           "the decoder"));
  }
  if (base.exits > 0) {
    return Refuse(at, "exits", absl::StrCat(base.exits),
                  absl::StrCat("0", kWith, ": who has left would still wait for them"));
  }
  if (base.trained_attention != TrainedAttention::kExact) {
    return BadField(at + "trained_attention",
                    absl::StrCat("must be exact", kWith,
                                 ": their scopes see everything in training, too"));
  }
  if (base.memory != MemoryKind::kNone) {
    return Refuse(at, "memory", MemoryName(base.memory),
                  absl::StrCat("none", kWith, ": no segment carries their items"));
  }
  return absl::OkStatus();
}

}  // namespace

LevelConfig StreamLevel(const LevelConfig& base, const StreamConfig& stream) {
  LevelConfig level;
  level.dim = stream.dim;
  level.heads = stream.heads;
  level.ff_mult = base.ff_mult;
  level.gate = base.gate;
  level.dec_layers = base.dec_layers;
  level.window = stream.window;
  level.dilation = stream.rate / stream.stride;
  level.dec_scope = stream.window == 0     ? Scope::kFull
                    : level.dilation == 1 ? Scope::kWindow
                                          : Scope::kDilated;
  return level;
}

std::vector<LevelConfig> StreamLevels(const ModelConfig& config) {
  std::vector<LevelConfig> levels;
  const LevelConfig& base = config.levels[0];
  for (const StreamConfig& stream : base.streams) {
    levels.push_back(StreamLevel(base, stream));
  }
  return levels;
}

std::vector<LevelConfig> StackLevels(const ModelConfig& config) {
  std::vector<LevelConfig> levels = config.levels;
  for (const LevelConfig& stream : StreamLevels(config)) levels.push_back(stream);
  return levels;
}

ModelConfig StreamModel(const ModelConfig& config, const StreamConfig& stream) {
  ModelConfig alone = config;
  alone.levels = {StreamLevel(config.levels[0], stream)};
  alone.ngram_heads = 0;
  return alone;
}

int64_t StreamPeriod(const LevelConfig& base) {
  int64_t period = 1;
  for (const StreamConfig& stream : base.streams) {
    period = std::lcm(period, int64_t{stream.stride});
  }
  return period;
}

int64_t StreamTail(const LevelConfig& base) {
  int64_t rate = 1;
  for (const StreamConfig& stream : base.streams) {
    rate = std::max(rate, int64_t{stream.rate});
  }
  return rate - 1;
}

int64_t MergeWidth(const LevelConfig& base) {
  int64_t width = base.dim;
  for (const StreamConfig& stream : base.streams) width += stream.dim;
  return width;
}

absl::Status ValidateStreams(const ModelConfig& config) {
  for (size_t l = 0; l < config.levels.size(); ++l) {
    const LevelConfig& base = config.levels[l];
    if (base.streams.empty()) continue;
    const std::string at = absl::StrCat("levels[", l, "].");
    if (config.levels.size() > 1) {
      return BadField(at + "streams",
                      "must be empty in a model of more than one level: streams are "
                      "built beside the decoder of bytes alone");
    }
    if (base.streams.size() > static_cast<size_t>(kMaxStreams)) {
      return BadField(at + "streams",
                      absl::StrCat("has ", base.streams.size(),
                                   " entries; must have at most ", kMaxStreams));
    }
    STRATA_RETURN_IF_ERROR(ValidateBase(base, at));
    for (size_t r = 0; r < base.streams.size(); ++r) {
      STRATA_RETURN_IF_ERROR(ValidateStream(base, base.streams[r],
                                            absl::StrCat(at, "streams[", r, "].")));
    }
    const int64_t period = StreamPeriod(base);
    if (period > kMaxPeriod) {
      return BadField(at + "streams",
                      absl::StrCat("make items together every ", period,
                                   " items, by their strides; must do so every ",
                                   kMaxPeriod, " at most"));
    }
  }
  return absl::OkStatus();
}

}  // namespace strata
