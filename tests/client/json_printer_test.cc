#include "client/json_printer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <nlohmann/json.hpp>

#include "strata/v1/generation.pb.h"
#include "strata/v1/models.pb.h"
#include "strata/v1/training.pb.h"

namespace strata {
namespace {

using nlohmann::ordered_json;

ordered_json Printed(const google::protobuf::Message& message) {
  const std::string line = JsonLine(message);
  EXPECT_EQ(line.find('\n'), std::string::npos);
  return ordered_json::parse(line, nullptr, false);
}

TEST(JsonPrinterTest, PrintsDefaultsUnderTheProtoNamesInTheirOrder) {
  const ordered_json json = Printed(v1::Job());
  std::vector<std::string> keys;
  for (const auto& item : json.items()) keys.push_back(item.key());
  EXPECT_THAT(keys, testing::ElementsAre(
                        "name", "state", "phase", "spec", "idempotency_key", "attempt",
                        "progress", "last_eval", "error", "published", "create_time_ms",
                        "start_time_ms", "finish_time_ms", "last_sequence"));
  EXPECT_EQ(json["name"], "");
  EXPECT_EQ(json["state"], "UNSPECIFIED");
  EXPECT_EQ(json["attempt"], 0);
  EXPECT_TRUE(json["error"].is_null());
}

TEST(JsonPrinterTest, PrintsEveryNumberAsANumber) {
  v1::Job job;
  job.set_create_time_ms(std::numeric_limits<int64_t>::max());
  job.mutable_spec()->set_seed(std::numeric_limits<uint64_t>::max());
  job.mutable_progress()->set_loss(0.1);
  job.mutable_progress()->set_grad_norm(std::numeric_limits<double>::quiet_NaN());
  const ordered_json json = Printed(job);
  EXPECT_EQ(json["create_time_ms"].get<int64_t>(), std::numeric_limits<int64_t>::max());
  EXPECT_EQ(json["spec"]["seed"].get<uint64_t>(), std::numeric_limits<uint64_t>::max());
  EXPECT_TRUE(json["progress"]["loss"].is_number_float());
  EXPECT_EQ(json["progress"]["loss"], 0.1);
  EXPECT_TRUE(json["progress"]["grad_norm"].is_null());
}

TEST(JsonPrinterTest, TellsAnAbsentOptionalFromItsZero) {
  v1::SamplingParams sampling;
  EXPECT_TRUE(Printed(sampling)["temperature"].is_null());
  sampling.set_temperature(0);
  EXPECT_EQ(Printed(sampling)["temperature"], 0.0);
}

TEST(JsonPrinterTest, PrintsBareEnumValues) {
  v1::Finished finished;
  finished.set_reason(v1::FINISH_REASON_MAX_TOKENS);
  EXPECT_EQ(Printed(finished)["reason"], "MAX_TOKENS");
  finished.set_reason(v1::FINISH_REASON_UNSPECIFIED);
  EXPECT_EQ(Printed(finished)["reason"], "UNSPECIFIED");
  v1::Job job;
  job.set_state(v1::SUCCEEDED);
  EXPECT_EQ(Printed(job)["state"], "SUCCEEDED");
  job.set_state(static_cast<v1::JobState>(77));
  EXPECT_EQ(Printed(job)["state"], 77);
}

TEST(JsonPrinterTest, OfAOneofPrintsOnlyWhatIsSet) {
  v1::GenerateResponse event;
  event.mutable_delta()->set_data("a");
  const ordered_json json = Printed(event);
  EXPECT_EQ(json.size(), 1u);
  EXPECT_TRUE(json.contains("delta"));
  EXPECT_TRUE(Printed(v1::GenerateResponse()).empty());
}

TEST(JsonPrinterTest, PrintsBytesAsBase64BesideTheText) {
  v1::Delta delta;
  delta.set_data(std::string("\xff\x00 \n", 4));
  delta.set_text("\xef\xbf\xbd");
  const ordered_json json = Printed(delta);
  EXPECT_EQ(json["data"], "/wAgCg==");
  EXPECT_EQ(json["text"], "\xef\xbf\xbd");
}

TEST(JsonPrinterTest, PrintsListsAndMaps) {
  v1::ScoreResponse score;
  EXPECT_EQ(Printed(score)["log2_prob"], ordered_json::array());
  score.add_log2_prob(-1.5);
  score.add_item_bytes(1);
  EXPECT_EQ(Printed(score)["log2_prob"], ordered_json::array({-1.5}));
  EXPECT_EQ(Printed(score)["item_bytes"], ordered_json::array({1}));
  v1::Model model;
  (*model.mutable_aliases())["live"] = "3";
  model.add_versions()->set_version("3");
  EXPECT_EQ(Printed(model)["aliases"]["live"], "3");
  EXPECT_EQ(Printed(model)["versions"][0]["version"], "3");
}

}  // namespace
}  // namespace strata
