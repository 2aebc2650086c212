#include "model/inspect_selection.h"

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "model/base/status_macros.h"
#include "model/decoder_places.h"
#include "model/stream_levels.h"

namespace strata {
namespace {

absl::Status OutOfRange(absl::string_view field, size_t index, int value,
                        int low, int high) {
  return absl::InvalidArgumentError(absl::StrCat(field, "[", index, "] is ",
                                                 value, "; must be in [", low,
                                                 ", ", high, "]"));
}

// Those of `wanted` that lie in [0, count), ascending, each once; a negative one
// counts from the end.
std::vector<int> Those(const std::vector<int>& wanted, int count) {
  std::vector<int> found;
  for (const int value : wanted) {
    const int index = value < 0 ? value + count : value;
    if (index >= 0 && index < count) found.push_back(index);
  }
  std::sort(found.begin(), found.end());
  found.erase(std::unique(found.begin(), found.end()), found.end());
  return found;
}

std::vector<int> AllOf(int count) {
  std::vector<int> all(static_cast<size_t>(count));
  for (int i = 0; i < count; ++i) all[static_cast<size_t>(i)] = i;
  return all;
}

// All of `values` in [low, high].
absl::Status CheckEach(absl::string_view field, const std::vector<int>& values,
                       int low, int high) {
  if (values.size() > static_cast<size_t>(kMaxInspectChoices)) {
    return absl::InvalidArgumentError(
        absl::StrCat(field, " has ", values.size(), " entries; at most ",
                     kMaxInspectChoices, " are allowed"));
  }
  for (size_t i = 0; i < values.size(); ++i) {
    if (values[i] < low || values[i] > high) {
      return OutOfRange(field, i, values[i], low, high);
    }
  }
  return absl::OkStatus();
}

std::vector<int> HeadsOf(const std::vector<int>& wanted, int count) {
  return wanted.empty() ? AllOf(count) : Those(wanted, count);
}

LevelSelection SelectOf(const ModelConfig& config, int l, const std::vector<int>& layers,
                        const std::vector<int>& heads) {
  const LevelConfig& level = config.levels[static_cast<size_t>(l)];
  LevelSelection selection = {l, Those(layers, EncoderRuns(level)),
                              Those(layers, DecoderRuns(level)),
                              HeadsOf(heads, level.heads), {}};
  for (const StreamConfig& stream : level.streams) {
    selection.stream_heads.push_back(HeadsOf(heads, stream.heads));
  }
  return selection;
}

absl::Status Check(const ModelConfig& config, const InspectOptions& options,
                   const std::vector<int>& levels) {
  int layers = 0;
  int heads = 0;
  for (const int l : levels) {
    const LevelConfig& level = config.levels[static_cast<size_t>(l)];
    layers = std::max({layers, EncoderRuns(level), DecoderRuns(level)});
    heads = std::max(heads, level.heads);
    for (const StreamConfig& stream : level.streams) heads = std::max(heads, stream.heads);
  }
  STRATA_RETURN_IF_ERROR(
      CheckEach("layers", options.layers, -layers, layers - 1));
  STRATA_RETURN_IF_ERROR(CheckEach("heads", options.heads, 0, heads - 1));
  if (options.top_k < 1 || options.top_k > kMaxInspectTopK) {
    return absl::InvalidArgumentError(
        absl::StrCat("top_k is ", options.top_k, "; must be in [1, ",
                     kMaxInspectTopK, "]"));
  }
  return absl::OkStatus();
}

// Links of a level's stacks at most: a decoder has more positions than there are items,
// and of one come the items of its streams.
int64_t Links(const ModelConfig& config, const LevelSelection& selection,
              int64_t items, int top_k) {
  const LevelConfig& level = config.levels[static_cast<size_t>(selection.level)];
  const int64_t positions =
      DecoderPlaces(level, MaxItems(config, selection.level, items) + 1);
  const auto decoder = static_cast<int64_t>(selection.decoder_layers.size());
  const int64_t layers = static_cast<int64_t>(selection.encoder_layers.size()) + decoder +
                         (level.bridge == BridgeKind::kAttention ? 1 : 0);
  int64_t rows = layers * static_cast<int64_t>(selection.heads.size()) * positions;
  for (size_t r = 0; r < level.streams.size(); ++r) {
    rows += decoder * static_cast<int64_t>(selection.stream_heads[r].size()) *
            StreamItems(level.streams[r], positions);
  }
  return rows * top_k;
}

}  // namespace

absl::StatusOr<std::vector<LevelSelection>> SelectForInspection(
    const ModelConfig& config, const InspectOptions& options,
    int64_t text_items) {
  const int count = static_cast<int>(config.levels.size());
  STRATA_RETURN_IF_ERROR(CheckEach("levels", options.levels, 0, count - 1));
  const std::vector<int> levels =
      options.levels.empty() ? AllOf(count) : Those(options.levels, count);
  STRATA_RETURN_IF_ERROR(Check(config, options, levels));
  const std::vector<int> layers =
      options.layers.empty() ? std::vector<int>{-1} : options.layers;
  std::vector<LevelSelection> selected;
  int64_t links = 0;
  for (const int l : levels) {
    selected.push_back(SelectOf(config, l, layers, options.heads));
    links += Links(config, selected.back(), text_items + 1, options.top_k);
  }
  if (links > kMaxInspectLinks) {
    return absl::InvalidArgumentError(absl::StrCat(
        "top_k is ", options.top_k, ", which with these levels, layers and heads "
        "makes ", links, " links; at most ", kMaxInspectLinks,
        " are returned"));
  }
  return selected;
}

}  // namespace strata
