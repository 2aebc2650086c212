#include "model/train_spec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <vector>

#include "absl/strings/str_replace.h"
#include "model/version_dir.h"

namespace strata {
namespace {

using ::testing::HasSubstr;

TrainSpec Good() {
  TrainSpec spec;
  spec.base = "block";
  spec.dataset_sha256 = Sha256Hex("data");
  spec.model = "plays";
  spec.steps = 2000;
  return spec;
}

TEST(TrainSpecJson, RoundTripsToTheBit) {
  TrainSpec spec = Good();
  spec.learning_rate = 0.1 + 0.2;
  spec.epsilon = 4.9e-324;
  spec.checkpoint_every_seconds = 1.0 / 3;
  spec.seed = std::numeric_limits<uint64_t>::max();
  spec.eval_max_items = int64_t{1} << 32;
  const std::string json = TrainSpecToJson(spec);
  const auto parsed = ParseTrainSpec(json);
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(parsed->learning_rate, spec.learning_rate);
  EXPECT_EQ(parsed->epsilon, spec.epsilon);
  EXPECT_EQ(parsed->checkpoint_every_seconds, spec.checkpoint_every_seconds);
  EXPECT_EQ(parsed->seed, spec.seed);
  EXPECT_EQ(parsed->eval_max_items, spec.eval_max_items);
  EXPECT_EQ(TrainSpecToJson(*parsed), json);  // so its hash is stable
}

TEST(TrainSpecJson, EveryFieldIsInTheText) {
  const std::string base = TrainSpecToJson(Good());
  const std::vector<std::function<void(TrainSpec*)>> edits = {
      [](TrainSpec* s) { s->base = "x"; },
      [](TrainSpec* s) { s->config = "{}"; },
      [](TrainSpec* s) { s->dataset_sha256 = "x"; },
      [](TrainSpec* s) { s->model = "x"; },
      [](TrainSpec* s) { s->tokenizer = "bpe"; },
      [](TrainSpec* s) { s->pieces = 300; },
      [](TrainSpec* s) { s->tokenizer_sha256 = "x"; },
      [](TrainSpec* s) { s->steps = 1; },
      [](TrainSpec* s) { s->batch = 1; },
      [](TrainSpec* s) { s->micro_batch = 1; },
      [](TrainSpec* s) { s->sequence = 1; },
      [](TrainSpec* s) { s->learning_rate = 1; },
      [](TrainSpec* s) { s->warmup_steps = 1; },
      [](TrainSpec* s) { s->min_lr_ratio = 1; },
      [](TrainSpec* s) { s->weight_decay = 1; },
      [](TrainSpec* s) { s->beta1 = 0; },
      [](TrainSpec* s) { s->beta2 = 0; },
      [](TrainSpec* s) { s->epsilon = 1; },
      [](TrainSpec* s) { s->clip_norm = 2; },
      [](TrainSpec* s) { s->dropout = 0; },
      [](TrainSpec* s) { s->ngram_weight = 0.5; },
      [](TrainSpec* s) { s->ngram_weight = 0; },
      [](TrainSpec* s) { s->block_weight = 0.5; },
      [](TrainSpec* s) { s->span_weight = 0.5; },
      [](TrainSpec* s) { s->bf16 = true; },
      [](TrainSpec* s) { s->seed = 2; },
      [](TrainSpec* s) { s->eval_fraction = 0; },
      [](TrainSpec* s) { s->eval_every_steps = 1; },
      [](TrainSpec* s) { s->eval_max_items = 1; },
      [](TrainSpec* s) { s->checkpoint_every_steps = 1; },
      [](TrainSpec* s) { s->checkpoint_every_seconds = 1; },
      [](TrainSpec* s) { s->keep_checkpoints = 1; },
      [](TrainSpec* s) { s->threads = 1; },
  };
  for (size_t i = 0; i < edits.size(); ++i) {
    TrainSpec spec = Good();
    edits[i](&spec);
    const std::string json = TrainSpecToJson(spec);
    EXPECT_NE(json, base) << i;
    EXPECT_EQ(TrainSpecToJson(ParseTrainSpec(json).value()), json) << i;
  }
}

// Their hashes are those of checkpoints: a spec that gives no weight to a loss beside
// the ordinary one must keep the text that it had before there were such.
TEST(TrainSpecJson, AWeightOfZeroIsNotInTheText) {
  TrainSpec spec = Good();
  spec.ngram_weight = 0;
  const std::string json = TrainSpecToJson(spec);
  EXPECT_EQ(json.find("ngram"), std::string::npos);
  EXPECT_EQ(json.find("block_weight"), std::string::npos);
  EXPECT_EQ(json.find("bf16"), std::string::npos);
  EXPECT_EQ(json.find("tokenizer"), std::string::npos);
  EXPECT_EQ(json.find("pieces"), std::string::npos);
  EXPECT_EQ(ParseTrainSpec(json)->ngram_weight, 0);
}

TEST(TrainSpecJson, IsStrict) {
  const std::string good = TrainSpecToJson(Good());
  const auto message = [&](const char* from, const char* to) {
    const std::string bad = absl::StrReplaceAll(good, {{from, to}});
    EXPECT_NE(bad, good);
    const absl::Status status = ParseTrainSpec(bad).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    return std::string(status.message());
  };
  EXPECT_EQ(message("\"steps\"", "\"stepz\""), "spec: steps: is missing");
  EXPECT_EQ(message("\"steps\": 2000", "\"steps\": 2000, \"z\": 1"),
            "spec: z: unknown member");
  EXPECT_THAT(message("2000", "2000.5"), HasSubstr("spec: steps: is 2000.5"));
  EXPECT_THAT(message("\"seed\": 1", "\"seed\": -1"),
              HasSubstr("spec: seed: is -1; must be an integer >= 0"));
  EXPECT_THAT(message("\"beta1\": 0.9", "\"beta1\": null"),
              HasSubstr("spec: beta1: must be a number"));
}

TEST(ValidateTrainSpec, NamesTheFieldTheValueAndTheLimit) {
  EXPECT_TRUE(ValidateTrainSpec(Good()).ok()) << ValidateTrainSpec(Good());
  struct Case {
    std::function<void(TrainSpec*)> edit;
    const char* message;
  };
  const std::vector<Case> cases = {
      {[](TrainSpec* s) { s->base = ""; }, "spec.base: "},
      {[](TrainSpec* s) { s->dataset_sha256[0] = 'G'; }, "spec.dataset_sha256: "},
      {[](TrainSpec* s) { s->model = "../x"; }, "spec.model: model name is \"../x\""},
      {[](TrainSpec* s) { s->model = ".x"; }, "spec.model: model name is \".x\""},
      {[](TrainSpec* s) { s->model = "Plays"; }, "spec.model: model name is \"Plays\""},
      {[](TrainSpec* s) { s->model = std::string(64, 'a'); }, "spec.model: model name is"},
      {[](TrainSpec* s) { s->model = "flat-10m"; },
       "spec.model: model name is \"flat-10m\", which is reserved"},
      {[](TrainSpec* s) { s->tokenizer = "word"; s->pieces = 300; },
       "spec.tokenizer: is \"word\"; must be bpe or unigram"},
      {[](TrainSpec* s) { s->tokenizer = "bpe"; s->pieces = 40000; },
       "spec.pieces: is 40000; must be in [256, 32000]"},
      {[](TrainSpec* s) { s->pieces = 300; }, "spec.pieces: is 300; must be in [0, 0]"},
      {[](TrainSpec* s) { s->tokenizer_sha256 = "x"; },
       "spec.tokenizer_sha256: must be 64"},
      {[](TrainSpec* s) {
         s->tokenizer = "bpe";
         s->pieces = 300;
         s->tokenizer_sha256 = s->dataset_sha256;
       },
       "spec.tokenizer: is to be trained, and a file is given"},
      {[](TrainSpec* s) { s->steps = 0; },
       "spec.steps: is 0; must be in [1, 10000000]"},
      {[](TrainSpec* s) { s->batch = 0; }, "spec.batch: is 0"},
      {[](TrainSpec* s) { s->micro_batch = 3; },
       "spec.micro_batch: is 3; must divide spec.batch = 8"},
      {[](TrainSpec* s) { s->micro_batch = 16; }, "spec.micro_batch: is 16"},
      {[](TrainSpec* s) { s->sequence = 1; }, "spec.sequence: is 1"},
      {[](TrainSpec* s) {
         s->base.clear();
         s->config.assign(kMaxConfigBytes + 1, ' ');
       },
       "spec.config: has 65537 bytes; at most 65536"},
      {[](TrainSpec* s) { s->learning_rate = 0; }, "spec.learning_rate: is 0"},
      {[](TrainSpec* s) { s->learning_rate = INFINITY; },
       "spec.learning_rate: is inf"},
      {[](TrainSpec* s) { s->warmup_steps = -2; }, "spec.warmup_steps: is -2"},
      {[](TrainSpec* s) { s->min_lr_ratio = 1.1; }, "spec.min_lr_ratio: is 1.1"},
      {[](TrainSpec* s) { s->weight_decay = NAN; }, "spec.weight_decay: is nan"},
      {[](TrainSpec* s) { s->beta1 = 1; }, "spec.beta1: is 1"},
      {[](TrainSpec* s) { s->beta2 = -1; }, "spec.beta2: is -1"},
      {[](TrainSpec* s) { s->epsilon = 0; }, "spec.epsilon: is 0"},
      {[](TrainSpec* s) { s->clip_norm = 0; }, "spec.clip_norm: is 0"},
      {[](TrainSpec* s) { s->dropout = -0.5; }, "spec.dropout: is -0.5"},
      {[](TrainSpec* s) { s->ngram_weight = -0.5; }, "spec.ngram_weight: is -0.5"},
      {[](TrainSpec* s) { s->ngram_weight = 11; }, "spec.ngram_weight: is 11"},
      {[](TrainSpec* s) { s->block_weight = -1; }, "spec.block_weight: is -1"},
      {[](TrainSpec* s) { s->span_weight = -1; }, "spec.span_weight: is -1"},
      {[](TrainSpec* s) { s->eval_fraction = 0.6; }, "spec.eval_fraction: is 0.6"},
      {[](TrainSpec* s) { s->eval_every_steps = -1; }, "spec.eval_every_steps"},
      {[](TrainSpec* s) { s->eval_max_items = 0; }, "spec.eval_max_items: is 0"},
      {[](TrainSpec* s) { s->checkpoint_every_steps = 0; },
       "spec.checkpoint_every_steps: is 0"},
      {[](TrainSpec* s) { s->checkpoint_every_seconds = 0; },
       "spec.checkpoint_every_seconds: is 0"},
      {[](TrainSpec* s) { s->keep_checkpoints = 0; }, "spec.keep_checkpoints"},
      {[](TrainSpec* s) { s->threads = -1; }, "spec.threads: is -1"},
  };
  for (const Case& bad : cases) {
    TrainSpec spec = Good();
    bad.edit(&spec);
    const absl::Status status = ValidateTrainSpec(spec);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << bad.message;
    EXPECT_THAT(std::string(status.message()), HasSubstr(bad.message));
  }
}

TEST(SequenceForData, HoldsMostDocumentsWithinItsBounds) {
  const auto fit = [](int64_t items) { return SequenceForData(items, 8, 4096); };
  EXPECT_EQ(fit(0), 512);  // text
  EXPECT_EQ(fit(16), 512);
  EXPECT_EQ(fit(1024), 1024);
  EXPECT_EQ(fit(2048), 2048);
  EXPECT_EQ(fit(1 << 20), 2048);
  EXPECT_EQ(SequenceForData(2048, 8, 1024), 1024);
  EXPECT_EQ(SequenceForData(2048, 24, 1000), 984);
  EXPECT_EQ(SequenceForData(64, 7, 4096), 511);
}

TEST(ResolveTrainSpec, LongerRowsByTheDataLeaveAForwardPassItsItems) {
  const auto rows = [](int64_t batch, int64_t sequence) {
    TrainSpec spec = Good();
    spec.batch = batch;
    const TrainSpec resolved = ResolveTrainSpec(spec, 1, 0, sequence);
    EXPECT_EQ(resolved.sequence, sequence);
    EXPECT_TRUE(ValidateTrainSpec(resolved).ok());
    return resolved.micro_batch;
  };
  EXPECT_EQ(rows(8, 512), 8);
  EXPECT_EQ(rows(8, 1024), 4);
  EXPECT_EQ(rows(8, 2048), 2);
  EXPECT_EQ(rows(6, 1024), 3);
  EXPECT_EQ(rows(9, 1024), 3);
  EXPECT_EQ(rows(10, 2048), 2);
  EXPECT_EQ(rows(3, 2048), 1);
  EXPECT_EQ(rows(8, 128), 8);
  TrainSpec spec = Good();
  spec.sequence = 2048;  // asked for
  EXPECT_EQ(ResolveTrainSpec(spec, 1, 0, 1024).sequence, 2048);
  EXPECT_EQ(ResolveTrainSpec(spec, 1, 0, 1024).micro_batch, 8);
  spec = Good();
  spec.micro_batch = 8;
  EXPECT_EQ(ResolveTrainSpec(spec, 1, 0, 2048).micro_batch, 8);
}

TEST(CheckLossWeights, HeadsThatTheModelLacksHaveNoWeight) {
  TrainSpec spec = Good();
  ModelConfig config;
  EXPECT_TRUE(CheckLossWeights(spec, config).ok());  // auto
  spec.ngram_weight = 0.3;
  EXPECT_EQ(CheckLossWeights(spec, config).message(),
            "spec.ngram_weight: is 0.3; must be 0 for block, which has no n-gram "
            "heads");
  config.ngram_heads = 1;
  EXPECT_TRUE(CheckLossWeights(spec, config).ok());
}

TEST(CheckLossWeights, OneLevelHasNoBlocksToForesee) {
  TrainSpec spec = Good();
  spec.block_weight = 0.1;
  ModelConfig config;
  config.levels.resize(1);
  EXPECT_EQ(CheckLossWeights(spec, config).message(),
            "spec.block_weight: is 0.1; must be 0 for block, which has one level");
  config.levels.resize(2);
  EXPECT_TRUE(CheckLossWeights(spec, config).ok());
}

TEST(ResolveTrainSpec, NgramHeadsGetTheirWeightWhereTheModelHasThem) {
  EXPECT_EQ(ResolveTrainSpec(Good(), 1, 0).ngram_weight, 0);
  EXPECT_EQ(ResolveTrainSpec(Good(), 1, 0, 512, 2).ngram_weight, kNgramWeight);
  TrainSpec off = Good();
  off.ngram_weight = 0;
  EXPECT_EQ(ResolveTrainSpec(off, 1, 0, 512, 2).ngram_weight, 0);
}

TEST(ResolveTrainSpec, FillsWhatIsAutoAndKeepsTheRest) {
  const TrainSpec resolved = ResolveTrainSpec(Good(), 3, 0.25);
  EXPECT_EQ(resolved.micro_batch, 8);
  EXPECT_EQ(resolved.sequence, 512);
  EXPECT_EQ(resolved.warmup_steps, 60);
  EXPECT_EQ(resolved.dropout, 0.25);
  EXPECT_EQ(resolved.eval_every_steps, 200);
  EXPECT_EQ(resolved.threads, 3);
  EXPECT_TRUE(ValidateTrainSpec(resolved).ok());
  // Nothing is left to fill, so resolving again changes nothing.
  EXPECT_EQ(TrainSpecToJson(ResolveTrainSpec(resolved, 9, 0.9)),
            TrainSpecToJson(resolved));
  TrainSpec chosen = Good();
  chosen.micro_batch = 2;
  chosen.sequence = 64;
  chosen.warmup_steps = 0;
  chosen.dropout = 0;
  chosen.ngram_weight = 0.5;
  chosen.eval_every_steps = 5;
  chosen.threads = 1;
  EXPECT_EQ(TrainSpecToJson(ResolveTrainSpec(chosen, 3, 0.25)),
            TrainSpecToJson(chosen));
}

}  // namespace
}  // namespace strata
