// A version folder either opens as exactly the model that was written, or is
// refused with the reason.

#include "model/decode/load_model.h"

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <limits>

#include "model/decode/rewind.h"
#include "model/version_dir.h"
#include "tests/model/decode/decode_fixture.h"

namespace strata {
namespace {

using ::testing::HasSubstr;

class LoadModelTest : public ::testing::Test {
 protected:
  void SetUp() override {
    parent_ = ::testing::TempDir() + "strata_load_" +
              std::to_string(getpid()) + "/";
    std::filesystem::remove_all(parent_);
    std::filesystem::create_directories(parent_);
    views_ = weights_.Views(DType::kF32);
  }
  void TearDown() override { std::filesystem::remove_all(parent_); }

  std::string Write() {
    const std::string dir = parent_ + std::to_string(++written_);
    auto writer = DirWriter::Create(dir, "test");
    EXPECT_TRUE(writer.ok()) << writer.status();
    EXPECT_TRUE(writer->WriteFile("config.json", json_).ok());
    std::vector<NamedTensor> tensors;
    for (const auto& [name, view] : views_) tensors.push_back({name, view});
    EXPECT_TRUE(WriteSafetensors(writer->path() + "/model.safetensors",
                                 tensors, {})
                    .ok());
    EXPECT_TRUE(writer->Commit({}).ok());
    return dir;
  }

  // The same weights, and heads of further items beside them.
  void AddNgramHeads(int heads) {
    config_.ngram_heads = heads;
    weights_ = TestWeights(config_, 7);
    views_ = weights_.Views(DType::kF32);
    json_ = ModelConfigToJson(config_);
  }

  // The logits after some items.
  std::vector<float> LogitsOf(const LoadedModel& model) {
    auto generator = model.NewGenerator({});
    EXPECT_TRUE(generator.ok());
    auto sequence = (*generator)->NewSequence(20);
    EXPECT_TRUE(sequence.ok());
    std::vector<float> logits(260);
    const auto items = RandomItems(20, 1);
    const StepRow row{sequence->get(), items, absl::MakeSpan(logits)};
    EXPECT_TRUE((*generator)->Step({row}).ok());
    return logits;
  }

  void ExpectRefused(absl::StatusCode code, const std::string& message) {
    const auto model = LoadCpuModel(Write());
    EXPECT_EQ(model.status().code(), code) << model.status();
    EXPECT_THAT(model.status().message(), HasSubstr(message));
  }

  ModelConfig config_ = SmallConfigs()[0].config;
  TestWeights weights_{config_, 7};
  std::map<std::string, TensorView> views_;
  std::string json_ = ModelConfigToJson(config_);
  std::string parent_;
  int written_ = 0;
};

TEST_F(LoadModelTest, OpensWhatWasWritten) {
  const auto model = LoadCpuModel(Write());
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_TRUE((*model)->config() == config_);
  EXPECT_EQ((*model)->weight_bytes(), 4 * ParameterCount(config_));
  EXPECT_THAT((*model)->executor(), HasSubstr("cpu-"));
  EXPECT_EQ((*model)->StateBytes(100), StateBytes(config_, 100));

  EXPECT_LE(MaxDifference(LogitsOf(**model),
                          NaiveLogits(config_, weights_, RandomItems(20, 1)).back()),
            1e-4);
}

TEST_F(LoadModelTest, TypesAreSaidAndCounted) {
  const std::string dir = Write();
  const auto full = LoadCpuModel(dir);
  const auto narrow = LoadCpuModel(dir, {WeightType::kInt8, CacheType::kFp16});
  ASSERT_TRUE(full.ok() && narrow.ok());
  EXPECT_THAT((*full)->executor(), HasSubstr("-fp32-kv-fp32"));
  EXPECT_THAT((*narrow)->executor(), HasSubstr("-int8-kv-fp16"));
  EXPECT_LT((*narrow)->weight_bytes(), (*full)->weight_bytes());
  EXPECT_EQ((*narrow)->StateBytes(100), StateBytes(config_, 100, ValueBytes{2, 4}));
  EXPECT_LT((*narrow)->StateBytes(100), (*full)->StateBytes(100));
}

TEST_F(LoadModelTest, TheFasterTypeIsOneThatKeepsQuality) {
  CpuModelOptions options;
  options.fastest_weights = true;
  const auto model = LoadCpuModel(Write(), options);
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_THAT((*model)->executor(),
              ::testing::AnyOf(HasSubstr("-fp32-kv-"), HasSubstr("-bf16-kv-")));
}

TEST_F(LoadModelTest, NgramHeadsCostTheirSizeAndChangeNoLogit) {
  const auto without = LoadCpuModel(Write());
  ASSERT_TRUE(without.ok()) << without.status();
  AddNgramHeads(2);
  const auto with = LoadCpuModel(Write());
  ASSERT_TRUE(with.ok()) << with.status();
  EXPECT_EQ((*without)->drafts(), 0);
  EXPECT_EQ((*with)->drafts(), 2);
  const int64_t dim = config_.levels[0].dim;
  const int64_t map = dim + 2 * dim * dim;
  EXPECT_EQ((*with)->weight_bytes() - (*without)->weight_bytes(),
            int64_t{2} * map * int64_t{sizeof(float)});
  EXPECT_EQ((*with)->StateBytes(100) - (*without)->StateBytes(100),
            RewindBytes(config_, ValueBytes{}));
  EXPECT_EQ(LogitsOf(**with), LogitsOf(**without));
}

TEST_F(LoadModelTest, RefusesNgramHeadsOtherThanTheConfigs) {
  AddNgramHeads(2);
  views_.erase("ngram.1.up.weight");
  ExpectRefused(absl::StatusCode::kInvalidArgument, "ngram.1.up.weight is missing");
  AddNgramHeads(1);
  views_["ngram.1.norm.weight"] = views_["ngram.0.norm.weight"];
  ExpectRefused(absl::StatusCode::kInvalidArgument, "ngram.1.norm.weight");
}

TEST_F(LoadModelTest, RefusesMissingTensors) {
  views_.erase("level.0.pool.query");
  ExpectRefused(absl::StatusCode::kInvalidArgument, "level.0.pool.query");
}

TEST_F(LoadModelTest, RefusesUnknownTensors) {
  views_["level.9.start"] = views_["level.0.start"];
  ExpectRefused(absl::StatusCode::kInvalidArgument, "level.9.start");
}

TEST_F(LoadModelTest, RefusesWrongShapes) {
  views_["level.1.start"] = views_["level.0.start"];
  ExpectRefused(absl::StatusCode::kInvalidArgument,
                "level.1.start has shape [32]; the config asks for [48]");
}

TEST_F(LoadModelTest, RefusesWeightsThatAreNotFinite) {
  std::vector<float> bad(32, 1.0f);
  bad[31] = std::numeric_limits<float>::infinity();
  views_["level.0.norm.weight"].data = absl::MakeConstSpan(
      reinterpret_cast<const uint8_t*>(bad.data()), 32 * sizeof(float));
  ExpectRefused(absl::StatusCode::kDataLoss, "level.0.norm.weight");
}

TEST_F(LoadModelTest, RefusesAConfigThatIsNone) {
  json_ = "{}";
  ExpectRefused(absl::StatusCode::kInvalidArgument, parent_);
}

TEST_F(LoadModelTest, RefusesAFlippedBit) {
  const std::string dir = Write();
  std::fstream file(dir + "/model.safetensors",
                    std::ios::in | std::ios::out | std::ios::binary);
  file.seekg(-5, std::ios::end);
  const char byte = static_cast<char>(file.get() ^ 1);
  file.seekp(-5, std::ios::end);
  file.put(byte);
  file.close();
  EXPECT_EQ(LoadCpuModel(dir).status().code(), absl::StatusCode::kDataLoss);
}

TEST_F(LoadModelTest, RefusesAFolderThatIsNotThere) {
  EXPECT_FALSE(LoadCpuModel(parent_ + "nothing").ok());
}

}  // namespace
}  // namespace strata
