// The commands against a fake service over a real socket: what reaches the
// server, what is printed where, and the exit code.

#include "client/command.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "absl/strings/str_split.h"
#include "tests/client/fake_service.h"

namespace strata {
namespace {

using nlohmann::json;
using testing::HasSubstr;

struct Result {
  int code = 0;
  std::string out;
  std::string err;

  std::vector<json> Lines() const {
    std::vector<json> lines;
    for (absl::string_view line : absl::StrSplit(out, '\n', absl::SkipEmpty())) {
      lines.push_back(json::parse(std::string(line), nullptr, false));
    }
    return lines;
  }
};

class CommandsTest : public testing::Test {
 protected:
  // Lines that a conversation reads from standard input.
  Result RunWithInput(const std::string& input, const std::vector<std::string>& words) {
    std::istringstream stream(input);
    std::streambuf* const old = std::cin.rdbuf(stream.rdbuf());
    const Result result = Run(words);
    std::cin.rdbuf(old);
    return result;
  }

  void ServeVersion(const std::string& model, const std::string& version,
                    const std::string& model_template) {
    server_.models.model.set_name(model);
    v1::ModelVersion* added = server_.models.model.add_versions();
    added->set_version(version);
    added->set_template_(model_template);
  }

  Result Run(std::vector<std::string> words) {
    words.insert(words.begin(), {"--server", server_.address});
    return RunRaw(words);
  }

  static Result RunRaw(const std::vector<std::string>& words) {
    testing::internal::CaptureStdout();
    testing::internal::CaptureStderr();
    Result result;
    result.code = RunCommandLine(words);
    fflush(stdout);
    result.out = testing::internal::GetCapturedStdout();
    result.err = testing::internal::GetCapturedStderr();
    return result;
  }

  static std::string WriteFile(const std::string& content) {
    const std::string path = testing::TempDir() + "/strata_commands_test_data";
    std::ofstream(path, std::ios::binary) << content;
    return path;
  }

  static void ExpectOneErrorLine(const Result& result, int code) {
    EXPECT_EQ(result.code, code);
    EXPECT_EQ(result.out, "");
    EXPECT_THAT(result.err, testing::StartsWith("error: "));
    EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1) << result.err;
  }

  FakeServer server_;
};

TEST_F(CommandsTest, GeneratePrintsTheBytesAlone) {
  const Result result = Run({"generate", "--model", "m", "--prompt", "hello"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(result.out, std::string("one \xff\0two", 9));
  EXPECT_EQ(result.err, "");
}

TEST_F(CommandsTest, GeneratePrintsSamplesOneAfterAnother) {
  const Result result = Run({"generate", "--model", "m", "--prompt", "hello", "--n", "3"});
  EXPECT_EQ(result.code, 0) << result.err;
  const std::string one("one \xff\0two", 9);
  EXPECT_EQ(result.out,
            "--- sample 0\n" + one + "\n--- sample 1\n" + one + "\n--- sample 2\n" + one);
  EXPECT_EQ(server_.generation.requests[0].n(), 3);
}

TEST_F(CommandsTest, GenerateSendsOnlyWhatWasGiven) {
  Run({"generate", "--model", "m", "--prompt", "hello"});
  Run({"generate", "--model", "m", "--prompt", "p", "--temperature", "0", "--top-k", "-1",
       "--seed", "7", "--max-tokens", "5", "--stop", "\n\n", "--stop", "x", "--completion"});
  const v1::GenerateRequest& plain = server_.generation.requests[0];
  EXPECT_EQ(plain.prompt(), "hello");
  EXPECT_FALSE(plain.has_max_tokens());
  EXPECT_FALSE(plain.has_n());
  EXPECT_EQ(plain.sampling().ByteSizeLong(), 0u);
  const v1::GenerateRequest& full = server_.generation.requests[1];
  EXPECT_EQ(full.completion_prompt(), "p");
  EXPECT_EQ(full.sampling().temperature(), 0);
  EXPECT_TRUE(full.sampling().has_temperature());
  EXPECT_EQ(full.sampling().top_k(), -1);
  EXPECT_EQ(full.sampling().seed(), 7u);
  EXPECT_EQ(full.max_tokens(), 5);
  ASSERT_EQ(full.stop_size(), 2);
  EXPECT_EQ(full.stop(0), "\n\n");
}

TEST_F(CommandsTest, GenerateTakesBinaryPromptsAndConversationsFromFiles) {
  const std::string binary("a\0\xff\n", 4);
  Run({"generate", "--model", "m", "--prompt-file", WriteFile(binary)});
  EXPECT_EQ(server_.generation.requests[0].prompt(), binary);
  Run({"generate", "--model", "m", "--messages-file",
       WriteFile(R"({"messages": [{"role": "user", "content": "hi"}]})")});
  EXPECT_EQ(server_.generation.requests[1].messages().messages(0).content(), "hi");
}

TEST_F(CommandsTest, GenerateJsonIsOneEventALine) {
  const std::vector<json> lines =
      Run({"generate", "--model", "m", "--prompt", "p", "--json"}).Lines();
  ASSERT_EQ(lines.size(), 6u);
  EXPECT_EQ(lines[0]["accepted"]["request_id"], "r");
  EXPECT_EQ(lines[2]["delta"]["data"], "b25lIA==");
  EXPECT_EQ(lines[5]["finished"]["reason"], "EOS");
  EXPECT_EQ(lines[5]["finished"]["usage"]["generated_tokens"], 9);
}

TEST_F(CommandsTest, InspectSendsTheChoiceAndDrawsTheAnswer) {
  const std::string svg = testing::TempDir() + "/strata_commands_test.svg";
  const Result shown =
      Run({"inspect", "--model", "m", "--text", "some text", "--level", "0", "--level", "1",
           "--layer", "-1", "--head", "1", "--top", "7", "--svg", svg});
  EXPECT_EQ(shown.code, 0) << shown.err;
  EXPECT_THAT(shown.out, HasSubstr("m@1: 9 bytes"));
  const v1::InspectRequest& request = server_.generation.inspected;
  EXPECT_EQ(request.text(), "some text");
  EXPECT_EQ(request.levels_size(), 2);
  EXPECT_EQ(request.layers(0), -1);
  EXPECT_EQ(request.heads(0), 1);
  EXPECT_EQ(request.top_k(), 7);
  std::ifstream file(svg);
  const std::string drawn{std::istreambuf_iterator<char>(file), {}};
  EXPECT_THAT(drawn, testing::StartsWith("<?xml"));
  const Result json = Run({"inspect", "--model", "m", "--file", WriteFile("a\xff"), "--json"});
  EXPECT_EQ(json.Lines()[0]["levels"][0]["stacks"][0]["kind"], "DECODER");
  EXPECT_EQ(server_.generation.inspected.text(), "a\xff");
  EXPECT_FALSE(server_.generation.inspected.has_top_k());
}

TEST_F(CommandsTest, InspectErrorsAreOneLineAndACode) {
  ExpectOneErrorLine(Run({"inspect", "--model", "m"}), 2);
  ExpectOneErrorLine(Run({"inspect", "--model", "m", "--text", "a", "--file", "b"}), 2);
  ExpectOneErrorLine(Run({"inspect", "--model", "m", "--text", "a", "--top", "9999999999"}), 2);
  ExpectOneErrorLine(Run({"inspect", "--model", "m", "--text", "a", "--svg", "/no/such/x.svg"}),
                     1);
}

TEST_F(CommandsTest, ErrorsAreOneLineAndACode) {
  server_.generation.status = BadRequestStatus("top_k is -1;\nmust be in [0, 260]", {});
  const Result refused = Run({"generate", "--model", "m", "--prompt", "p"});
  ExpectOneErrorLine(refused, 1);
  EXPECT_THAT(refused.err,
              HasSubstr("top_k is -1; must be in [0, 260] [INVALID_ARGUMENT: BAD_REQUEST]"));
  ExpectOneErrorLine(Run({"generate", "--model", "m"}), 2);
  ExpectOneErrorLine(Run({"generate", "--model", "m", "--prompt", "a", "--prompt-file", "b"}), 2);
  ExpectOneErrorLine(Run({"generate", "--model", "m", "--prompt-file", "/nowhere"}), 1);
  ExpectOneErrorLine(Run({"jobs", "get", "nothing"}), 1);
  ExpectOneErrorLine(Run({"jobs", "fly", "x"}), 2);
  ExpectOneErrorLine(Run({"no-such-command"}), 2);
  ExpectOneErrorLine(RunRaw({}), 2);
  ExpectOneErrorLine(RunRaw({"--server"}), 2);
}

TEST_F(CommandsTest, ErrorsNameTheOptionNotTheField) {
  const std::string message = "top_k is -1; must be in [0, 260]";
  server_.generation.status = BadRequestStatus(message, {message}, "sampling.top_k");
  const Result refused = Run({"generate", "--model", "m", "--prompt", "p", "--top-k", "-1"});
  ExpectOneErrorLine(refused, 1);
  EXPECT_THAT(refused.err, HasSubstr("error: --top-k is -1; must be in [0, 260] ["));
}

TEST_F(CommandsTest, TheServerMayStandAfterTheCommand) {
  const Result after = RunRaw({"models", "--server", server_.address});
  EXPECT_EQ(after.code, 0) << after.err;
  EXPECT_THAT(after.out, HasSubstr("mine@1"));
  EXPECT_EQ(RunRaw({"--server", "127.0.0.1:1", "models", "--server=" + server_.address}).code, 0);
  RunRaw({"generate", "--model", "m", "--server", server_.address, "--prompt", "--server=x"});
  EXPECT_EQ(server_.generation.requests.at(0).prompt(), "--server=x");
  ExpectOneErrorLine(RunRaw({"models", "--server"}), 2);
  ExpectOneErrorLine(RunRaw({"models", "--server="}), 2);
  EXPECT_THAT(RunRaw({"--help"}).out, HasSubstr("--server HOST:PORT"));
}

TEST_F(CommandsTest, ChatAnswersLineByLine) {
  ServeVersion("talk", "1", "chat");
  (*server_.models.model.mutable_aliases())["live"] = "1";
  const Result result = RunWithInput("hello\nagain\n", {"chat", "--model", "talk"});
  EXPECT_EQ(result.code, 0) << result.err;
  ASSERT_EQ(server_.generation.requests.size(), 2u);
  EXPECT_EQ(server_.generation.requests[1].messages().messages_size(), 3);
}

TEST_F(CommandsTest, ChatChecksTheModelBeforeTheFirstLine) {
  ServeVersion("talk", "1", "chat");
  ServeVersion("talk", "2", "text");
  (*server_.models.model.mutable_aliases())["live"] = "2";
  const auto chat = [&](const std::string& model) {
    return RunWithInput("hello\n", {"chat", "--model", model});
  };
  ExpectOneErrorLine(chat("nobody"), 1);
  ExpectOneErrorLine(chat("talk@7"), 1);
  EXPECT_THAT(chat("talk").err, HasSubstr("talk@2 was trained on plain text"));
  EXPECT_THAT(chat("talk@2").err, HasSubstr("talk@2 was trained on plain text"));
  EXPECT_TRUE(server_.generation.requests.empty());
  EXPECT_EQ(chat("talk@1").code, 0);
}

TEST_F(CommandsTest, SaysWhereNoServerAnswers) {
  const Result result = RunRaw({"--server", "127.0.0.1:1", "models"});
  ExpectOneErrorLine(result, 1);
  EXPECT_THAT(result.err, HasSubstr("no server answers at 127.0.0.1:1"));
}

TEST_F(CommandsTest, TheServerMayStandInTheEnvironment) {
  setenv("STRATA_SERVER", server_.address.c_str(), 1);
  const Result result = RunRaw({"models"});
  unsetenv("STRATA_SERVER");
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("mine@1"));
}

TEST_F(CommandsTest, EveryCommandHasHelp) {
  EXPECT_EQ(RunRaw({"--help"}).code, 0);
  for (const Command& command : Commands()) {
    const Result result = RunRaw({command.name, "--help"});
    EXPECT_EQ(result.code, 0);
    EXPECT_THAT(result.out, HasSubstr(command.name));
    EXPECT_THAT(result.out, HasSubstr("--server HOST:PORT"));
    EXPECT_EQ(result.err, "");
  }
}

TEST_F(CommandsTest, ScoreJsonHoldsOneNumberAnItem) {
  const json line =
      Run({"score", "--model", "m", "--file", WriteFile("abc"), "--json"}).Lines().at(0);
  EXPECT_EQ(line["bytes"], 3);
  EXPECT_EQ(line["bits_per_byte"], 2.0);
  EXPECT_EQ(line["log2_prob"], json::array({-2.0, -2.0, -2.0}));
  EXPECT_EQ(line["item_bytes"], json::array({1, 1, 1}));
}

TEST_F(CommandsTest, TrainUploadsEveryByteAndSendsTheSpec) {
  server_.training.job.set_name("jobs/j1");
  server_.training.job.set_state(v1::QUEUED);
  std::string data;
  for (int i = 0; i < 3'000'000; ++i) data += static_cast<char>(i % 251);
  const Result result = Run({"train", "--base", "block-1m", "--data", WriteFile(data), "--name",
                             "mine", "--steps", "10", "--key", "k", "--lr", "1e-3", "--ngram-weight",
                             "0.25", "--block-weight", "0.5", "--json"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(server_.training.uploaded, data);
  const v1::TrainRequest& request = server_.training.requests.at(0);
  EXPECT_EQ(request.idempotency_key(), "k");
  EXPECT_EQ(request.spec().dataset(), "datasets/abc");
  EXPECT_EQ(request.spec().base(), "block-1m");
  EXPECT_EQ(request.spec().model(), "mine");
  EXPECT_EQ(request.spec().steps(), 10);
  EXPECT_EQ(request.spec().learning_rate(), 1e-3);
  EXPECT_EQ(request.spec().ngram_weight(), 0.25);
  EXPECT_EQ(request.spec().block_weight(), 0.5);
  EXPECT_FALSE(request.spec().has_batch());
  EXPECT_EQ(result.Lines().at(0)["name"], "jobs/j1");
  EXPECT_EQ(result.Lines().at(0)["state"], "QUEUED");
}

TEST_F(CommandsTest, ATokeniserIsAKindOrAFile) {
  std::vector<std::string> words = {"train",  "--base", "b", "--data", WriteFile("x"), "--name",
                                    "mine", "--steps", "10", "--tokenizer", "bpe"};
  Run(words);
  words.back() = WriteFile("x");
  Run(words);
  const auto& requests = server_.training.requests;
  ASSERT_EQ(requests.size(), 2u);
  EXPECT_EQ(requests[0].spec().tokenizer().train(), "bpe");
  EXPECT_EQ(requests[1].spec().tokenizer().file(), "tokenizers/x");
  words.insert(words.end(), {"--pieces", "300"});
  ExpectOneErrorLine(Run(words), 2);
  const Result tokens = Run({"tokenize", "--model", "m", "--text", "a\xC3\xA4\n\xFF"});
  EXPECT_EQ(tokens.out, "300\t\"a\xC3\xA4\\n\"\n255\t\"\xFF\"\n");
}

TEST_F(CommandsTest, TrainWithoutAKeyMakesOneOfItsOwnEachTime) {
  const std::vector<std::string> words = {"train",  "--base", "b", "--data", WriteFile("x"),
                                          "--name", "mine",   "--steps", "10"};
  Run(words);
  Run(words);
  const auto& requests = server_.training.requests;
  ASSERT_EQ(requests.size(), 2u);
  EXPECT_NE(requests[0].idempotency_key(), "");
  EXPECT_NE(requests[0].idempotency_key(), requests[1].idempotency_key());
}

TEST_F(CommandsTest, ARefusedDatasetNamesItsLines) {
  server_.training.upload_status =
      BadRequestStatus("7 bad lines",
                       {"line 3, column 5: no JSON", "line 4: no role", "line 5: no role",
                        "line 6: no role", "line 7: no role", "line 8: no role",
                        "line 9: no role"});
  const Result result =
      Run({"train", "--base", "b", "--data", WriteFile("x"), "--name", "m", "--steps", "1"});
  ExpectOneErrorLine(result, 1);
  EXPECT_THAT(result.err, HasSubstr("line 3, column 5: no JSON"));
  EXPECT_THAT(result.err, HasSubstr("and 2 more"));
  EXPECT_TRUE(server_.training.requests.empty());
}

TEST_F(CommandsTest, WatchingAJobThatFailedFails) {
  server_.training.job.set_name("jobs/j1");
  server_.training.job.set_state(v1::FAILED);
  server_.training.job.mutable_error()->set_code("NON_FINITE");
  server_.training.job.mutable_error()->set_message("loss is not finite");
  const Result result = Run({"jobs", "watch", "j1"});
  EXPECT_EQ(result.code, 1);
  EXPECT_THAT(result.err, HasSubstr("error: jobs/j1 FAILED: loss is not finite [NON_FINITE]"));
}

TEST_F(CommandsTest, WatchJsonPrintsEventsAndThenTheJob) {
  server_.training.job.set_name("jobs/j1");
  server_.training.job.set_state(v1::SUCCEEDED);
  for (int i = 1; i <= 3; ++i) {
    server_.training.events.emplace_back().set_sequence(i);
  }
  const Result result = Run({"jobs", "watch", "jobs/j1", "--json"});
  EXPECT_EQ(result.code, 0) << result.err;
  const std::vector<json> lines = result.Lines();
  ASSERT_EQ(lines.size(), 4u);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(lines[static_cast<size_t>(i)]["sequence"], i + 1);
  EXPECT_EQ(lines[3]["state"], "SUCCEEDED");
}

TEST_F(CommandsTest, JobsReadsEveryPage) {
  server_.training.job.set_name("jobs/j1");
  EXPECT_EQ(Run({"jobs", "--json"}).Lines().size(), 2u);
  EXPECT_THAT(Run({"jobs"}).out, HasSubstr("j1"));
}

TEST_F(CommandsTest, AliasIsLiveUnlessNamed) {
  EXPECT_EQ(Run({"models", "alias", "mine", "beta", "3"}).code, 0);
  EXPECT_EQ(server_.models.aliased.name(), "mine");
  EXPECT_EQ(server_.models.aliased.alias(), "beta");
  EXPECT_EQ(server_.models.aliased.version(), "3");
  EXPECT_EQ(Run({"models", "alias", "mine", "2"}).code, 0);
  EXPECT_EQ(server_.models.aliased.alias(), "");
  EXPECT_EQ(server_.models.aliased.version(), "2");
  ExpectOneErrorLine(Run({"models", "alias", "mine"}), 2);
  ExpectOneErrorLine(Run({"models", "load", "mine@1", "2"}), 2);
}

TEST_F(CommandsTest, BenchCountsItsRequestsAndTokens) {
  const Result result =
      Run({"bench", "--model", "m", "--concurrency", "3", "--requests", "7", "--warmup", "2",
           "--prompt-bytes", "32", "--max-tokens", "9", "--json"});
  EXPECT_EQ(result.code, 0) << result.err;
  const json report = result.Lines().at(0);
  EXPECT_EQ(report["completed"], 7);
  EXPECT_EQ(report["generated_tokens"], 7 * 9);
  EXPECT_EQ(report["ttft_seconds"]["count"], 7);
  EXPECT_EQ(report["inter_token_seconds"]["count"], 7 * 5);  // the first piece has four
  EXPECT_EQ(server_.generation.requests.size(), 9u);
  for (const v1::GenerateRequest& request : server_.generation.requests) {
    EXPECT_EQ(request.prompt().size(), 32u);
    EXPECT_TRUE(request.sampling().ignore_eos());
  }
}

TEST_F(CommandsTest, BenchFailsIfARequestDid) {
  server_.generation.status = grpc::Status(grpc::StatusCode::RESOURCE_EXHAUSTED, "queue full");
  const Result result = Run({"bench", "--model", "m", "--requests", "2"});
  ExpectOneErrorLine(result, 1);
  EXPECT_THAT(result.err, HasSubstr("2 of 2 requests failed"));
}

}  // namespace
}  // namespace strata
