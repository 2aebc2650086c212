#pragma once
// What the engine's tests share: a fake version, requests, and ways to wait.

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "server/engine/engine.h"
#include "server/engine/error_reason.h"
#include "tests/testing/fake_generator.h"
#include "tests/testing/manual_clock.h"
#include "tests/testing/recording_sink.h"

namespace strata {

inline std::shared_ptr<const ServedVersion> MakeVersion(
    std::shared_ptr<const FakeModel> model, std::string version = "1") {
  auto served = std::make_shared<ServedVersion>();
  served->model = "fake";
  served->version = std::move(version);
  served->weights = std::move(model);
  return served;
}

// A model that repeats `text` after whatever prompt, item by item, then EOS.
// The prompt must end with kSep.
inline std::function<Item(absl::Span<const Item>)> Says(std::string text) {
  return [text](absl::Span<const Item> items) -> Item {
    size_t said = 0;
    while (said < items.size() && items[items.size() - 1 - said] != kSep) ++said;
    return said < text.size() ? static_cast<uint8_t>(text[said]) : kEos;
  };
}

inline std::vector<Item> Prompt(absl::string_view text) {
  std::vector<Item> items = {kSos};
  for (const char c : text) items.push_back(static_cast<uint8_t>(c));
  items.push_back(kSep);
  return items;
}

class EngineTest : public ::testing::Test {
 protected:
  void Use(FakeModelOptions model_options, EngineOptions options = {}) {
    model = std::make_shared<FakeModel>(std::move(model_options));
    version = MakeVersion(model);
    engine = std::make_unique<Engine>(options);
  }
  void TearDown() override {
    if (model != nullptr) model->gate.Open();
    engine.reset();
  }

  EngineRequest Request(std::string id, int64_t max_items = 16,
                        absl::string_view prompt = "hello") {
    EngineRequest request;
    request.id = std::move(id);
    request.version = version;
    request.items = Prompt(prompt);
    request.sampling.seed = 7;
    request.max_items = max_items;
    return request;
  }
  // Submits, expecting success.
  std::shared_ptr<RecordingSink> Submit(EngineRequest request) {
    auto sink = std::make_shared<RecordingSink>(request.samples);
    request.sink = sink;
    const absl::StatusOr<int64_t> ahead = engine->Submit(std::move(request));
    EXPECT_TRUE(ahead.ok()) << ahead.status();
    return sink;
  }
  absl::Status Refused(EngineRequest request) {
    auto sink = std::make_shared<RecordingSink>();
    request.sink = sink;
    const absl::Status status = engine->Submit(std::move(request)).status();
    EXPECT_FALSE(status.ok());
    EXPECT_EQ(sink->Peek().dones, 0) << "a refused request's sink was called";
    return status;
  }
  static void ExpectLevels(const EngineLevels& levels, int64_t queued,
                           int64_t running) {
    EXPECT_EQ(levels.queued_requests, queued);
    EXPECT_EQ(levels.running, running);
    EXPECT_EQ(levels.queued_bytes > 0, queued > 0);
    EXPECT_EQ(levels.state_bytes > 0, running > 0);
  }

  ManualClock clock;  // for engines that are told to use it; outlives them
  std::shared_ptr<FakeModel> model;
  std::shared_ptr<const ServedVersion> version;
  std::unique_ptr<Engine> engine;
};

}  // namespace strata
