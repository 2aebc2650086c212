// The flag table, durations and sizes.

#include "server/app/flags.h"

#include <map>

#include "gtest/gtest.h"

namespace strata {
namespace {

absl::StatusOr<Flags> Parse(const std::vector<std::string>& arguments,
                            std::map<std::string, std::string> environment = {}) {
  return ParseFlags(arguments, [environment](const std::string& name) {
    const auto it = environment.find(name);
    return it == environment.end() ? std::nullopt
                                   : std::optional<std::string>(it->second);
  });
}

TEST(FlagsTest, DefaultsAreValid) {
  const auto flags = Parse({});
  ASSERT_TRUE(flags.ok()) << flags.status();
  EXPECT_EQ(flags->workers, 1);
  EXPECT_EQ(flags->max_queued_bytes, 64 << 20);
  EXPECT_EQ(flags->inspect_max_bytes, 4096);
  EXPECT_EQ(flags->inspect_memory, 1 << 30);
  EXPECT_EQ(flags->drain_timeout, std::chrono::seconds(45));
  EXPECT_EQ(flags->stream_interval, std::chrono::milliseconds(10));
  EXPECT_EQ(flags->trainer_tickets, "auto");
  EXPECT_EQ(flags->trainer_share, 0.1);
}

TEST(FlagsTest, BothSyntaxesAndTheEnvironmentWork) {
  EXPECT_EQ(Parse({"--max-batch=7"})->max_batch, 7);
  EXPECT_EQ(Parse({"--max-batch", "7"})->max_batch, 7);
  EXPECT_EQ(Parse({}, {{"STRATA_MAX_BATCH", "7"}})->max_batch, 7);
  EXPECT_EQ(Parse({"--max-batch=8"}, {{"STRATA_MAX_BATCH", "7"}})->max_batch, 8);
  EXPECT_EQ(Parse({"--state-memory=256MiB"})->state_memory, 256 << 20);
  EXPECT_EQ(Parse({"--drain-delay=500ms"})->drain_delay, std::chrono::milliseconds(500));
}

TEST(FlagsTest, ErrorsNameTheFlagAndTheValue) {
  const auto message = [](absl::StatusOr<Flags> flags) {
    return std::string(flags.status().message());
  };
  EXPECT_NE(message(Parse({"--workerz=1"})).find("--workerz"), std::string::npos);
  EXPECT_NE(message(Parse({"--workers=0"})).find("--workers: \"0\""), std::string::npos);
  EXPECT_NE(message(Parse({}, {{"STRATA_WORKERS", "x"}})).find("STRATA_WORKERS"),
            std::string::npos);
  EXPECT_FALSE(Parse({"--workers"}).ok());
  EXPECT_FALSE(Parse({"serve"}).ok());
  EXPECT_FALSE(Parse({"--log-format=xml"}).ok());
}

TEST(FlagsTest, HelpNamesEveryVariableItsUnitAndItsDefault) {
  const std::string help = FlagsHelp();
  for (const char* name :
       {"models", "data", "listen", "http", "port-file", "workers", "threads",
        "trainer-threads", "trainer-devices", "trainer-tickets", "trainer-share",
        "max-batch", "max-queued-requests", "max-queued-bytes", "state-memory",
        "stream-interval", "drain-delay", "drain-timeout"}) {
    EXPECT_NE(help.find(std::string("  --") + name + "  ("), std::string::npos) << name;
  }
  EXPECT_NE(help.find("(duration, default \"45s\", STRATA_DRAIN_TIMEOUT)"),
            std::string::npos);
}

TEST(FlagsTest, Shares) {
  EXPECT_EQ(Parse({"--trainer-share=1"})->trainer_share, 1);
  EXPECT_EQ(Parse({"--trainer-share=1e-3"})->trainer_share, 1e-3);
  for (const char* bad : {"", "0", "-0.1", "1.1", "nan", "inf", "10%", "half"}) {
    EXPECT_FALSE(Parse({"--trainer-share", bad}).ok()) << bad;
  }
}

TEST(FlagsTest, AnIntervalThatIsMeantInMillisecondsIsNotTakenForSeconds) {
  const absl::Status status = Parse({"--stream-interval=10"}).status();
  EXPECT_NE(status.message().find("--stream-interval"), std::string::npos) << status;
  EXPECT_NE(status.message().find("at most 1s"), std::string::npos) << status;
  EXPECT_TRUE(Parse({"--stream-interval=1s"}).ok());
}

TEST(FlagsTest, Durations) {
  EXPECT_EQ(*ParseDuration("500ms"), std::chrono::milliseconds(500));
  EXPECT_EQ(*ParseDuration("1.5s"), std::chrono::milliseconds(1500));
  EXPECT_EQ(*ParseDuration("2m"), std::chrono::minutes(2));
  EXPECT_EQ(*ParseDuration("0"), std::chrono::seconds(0));
  for (const char* bad : {"", "s", "-1s", "1 s", "1d", "1e9h", "1s2"}) {
    EXPECT_FALSE(ParseDuration(bad).ok()) << bad;
  }
}

TEST(FlagsTest, Sizes) {
  EXPECT_EQ(*ParseBytes("65536"), 65536);
  EXPECT_EQ(*ParseBytes("256MiB"), int64_t{256} << 20);
  EXPECT_EQ(*ParseBytes("4GB"), 4'000'000'000);
  for (const char* bad : {"", "MiB", "-1", "1 MiB", "1Mib", "99999999TiB"}) {
    EXPECT_FALSE(ParseBytes(bad).ok()) << bad;
  }
}

}  // namespace
}  // namespace strata
