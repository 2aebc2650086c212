#include "client/args.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace strata {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

struct Parsed {
  std::string model;
  std::optional<int64_t> count;
  std::optional<uint64_t> seed;
  std::optional<double> rate;
  std::vector<std::string> stop;
  bool json = false;
  std::string action = "list";
  absl::Status status;
  std::string help;
};

Parsed Parse(const std::vector<std::string>& words) {
  Parsed parsed;
  ArgParser args("demo", "Shows.");
  args.Add("model", "M", "the model", &parsed.model).Require();
  args.Add("count", "N", "how many", &parsed.count)
      .Add("seed", "S", "of all", &parsed.seed)
      .Add("rate", "R", "how fast", &parsed.rate)
      .Add("stop", "TEXT", "where", &parsed.stop)
      .AddFlag("json", "as JSON", &parsed.json)
      .AddWord("ACTION", "what", &parsed.action);
  parsed.status = args.Parse(words);
  parsed.help = args.Help();
  return parsed;
}

TEST(ArgsTest, TakesValuesInBothFormsAndWordsAnywhere) {
  const Parsed p = Parse({"get", "--model", "m", "--count=-3", "--seed", "18446744073709551615",
                          "--rate=1e-4", "--json", "--stop", "a", "--stop", "--b"});
  ASSERT_TRUE(p.status.ok()) << p.status;
  EXPECT_EQ(p.model, "m");
  EXPECT_EQ(p.count, -3);
  EXPECT_EQ(p.seed, UINT64_MAX);
  EXPECT_EQ(p.rate, 1e-4);
  EXPECT_TRUE(p.json);
  EXPECT_THAT(p.stop, ElementsAre("a", "--b"));
  EXPECT_EQ(p.action, "get");
}

TEST(ArgsTest, LeavesAbsentOptionsAbsent) {
  const Parsed p = Parse({"--model="});
  ASSERT_TRUE(p.status.ok()) << p.status;
  EXPECT_EQ(p.model, "");
  EXPECT_FALSE(p.count.has_value());
  EXPECT_EQ(p.action, "list");
}

TEST(ArgsTest, EndsOptionsAtTwoDashes) {
  EXPECT_EQ(Parse({"--model", "m", "--", "--json"}).action, "--json");
}

TEST(ArgsTest, NamesTheOptionAndTheValueOfAnError) {
  const auto message = [](const std::vector<std::string>& words) {
    return std::string(Parse(words).status.message());
  };
  EXPECT_THAT(message({"--count", "two"}), HasSubstr("--count: 'two' is not a whole number"));
  EXPECT_THAT(message({"--seed", "-1"}), HasSubstr("--seed: '-1'"));
  EXPECT_THAT(message({"--rate", "nan"}), HasSubstr("--rate: 'nan' is not a number"));
  EXPECT_THAT(message({"--model"}), HasSubstr("--model needs a value"));
  EXPECT_THAT(message({"--nope"}), HasSubstr("unknown option --nope"));
  EXPECT_THAT(message({"--json=1"}), HasSubstr("--json takes no value"));
  EXPECT_THAT(message({}), HasSubstr("needs --model M"));
  EXPECT_THAT(message({"--model", "m", "a", "b"}), HasSubstr("unexpected argument 'b'"));
}

TEST(ArgsTest, HelpListsEveryOptionAndAsksForNothing) {
  ArgParser args("demo", "Shows.");
  std::string model;
  args.Add("model", "M", "the model", &model).Require();
  ASSERT_TRUE(args.Parse({"--help"}).ok());
  EXPECT_TRUE(args.help_requested());
  const std::string help = Parse({}).help;
  for (const char* name : {"--model M", "--count N", "--seed S", "--rate R", "--stop TEXT",
                           "--json", "ACTION", "(required)", "Shows."}) {
    EXPECT_THAT(help, HasSubstr(name));
  }
}

}  // namespace
}  // namespace strata
