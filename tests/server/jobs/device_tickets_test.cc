// Whose turn it is on a device: at once while the server is idle, by share while
// requests are live, one at a time and in order always.

#include "server/jobs/device_tickets.h"

#include <atomic>
#include <limits>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "model/base/random.h"
#include "tests/testing/manual_clock.h"

namespace strata {
namespace {

using std::chrono::milliseconds;

class Counts final : public JobObserver {
 public:
  void OnTicket(double wait_seconds) override {
    ++tickets;
    waited = waited + wait_seconds;
  }
  void OnSlice(double seconds) override { worked = worked + seconds; }
  void OnTicketsWaiting(int64_t trainers) override { waiting = trainers; }

  std::atomic<int> tickets{0};
  std::atomic<double> waited{0}, worked{0};
  std::atomic<int64_t> waiting{0};
};

// A trainer that knows how often it was told to go.
struct Trainer {
  explicit Trainer(DeviceTickets* tickets, const std::string& device = "cuda:0")
      : seat(tickets->Enter(device, [this] { ++goes; })) {}
  std::atomic<int> goes{0};
  std::unique_ptr<DeviceTickets::Seat> seat;
};

class DeviceTicketsTest : public ::testing::Test {
 protected:
  void SetLive(bool live) { tickets.OnLevels(0, 0, live ? 1 : 0, 0); }
  void Pass(MonotonicDuration time) {
    clock.Advance(time);
    tickets.Tick();
  }

  ManualClock clock;
  Counts counts;
  DeviceTickets tickets{{.share = 0.1, .clock = &clock, .observer = &counts}};
  Trainer a{&tickets}, b{&tickets}, c{&tickets};
};

TEST_F(DeviceTicketsTest, IdleGivesAtOnce) {
  for (int slice = 1; slice <= 5; ++slice) {
    a.seat->Ask();
    EXPECT_EQ(a.goes, slice);
    Pass(milliseconds(700));
    a.seat->Return(0.7);
  }
  EXPECT_EQ(counts.tickets, 5);
  EXPECT_EQ(counts.waited, 0);
  EXPECT_NEAR(counts.worked, 3.5, 1e-9);
}

TEST_F(DeviceTicketsTest, ASliceBesideRequestsIsFollowedByARest) {
  SetLive(true);
  a.seat->Ask();
  EXPECT_EQ(a.goes, 1);
  Pass(milliseconds(50));
  a.seat->Return(0.05);
  a.seat->Ask();
  Pass(milliseconds(449));
  EXPECT_EQ(a.goes, 1);
  Pass(milliseconds(2));
  EXPECT_EQ(a.goes, 2);
  EXPECT_NEAR(counts.waited, 0.451, 1e-9);
}

TEST_F(DeviceTicketsTest, WhoWaitsIsCounted) {
  a.seat->Ask();
  EXPECT_EQ(counts.waiting, 0);  // it has it
  b.seat->Ask();
  c.seat->Ask();
  EXPECT_EQ(counts.waiting, 2);
  c.seat->Return(0);  // does not want it any more
  EXPECT_EQ(counts.waiting, 1);
  a.seat->Return(0.01);
  EXPECT_EQ(counts.waiting, 0);
}

// A request that is queued counts as one that runs.
TEST_F(DeviceTicketsTest, AQueueIsLive) {
  tickets.OnLevels(1, 10, 0, 0);
  a.seat->Ask();
  Pass(milliseconds(50));
  a.seat->Return(0.05);
  a.seat->Ask();
  EXPECT_EQ(a.goes, 1);
}

// Neither more than the share, nor less by more than what rounds a timer up.
TEST_F(DeviceTicketsTest, TrainersTogetherTakeTheirShareAndGetIt) {
  for (const double share : {0.02, 0.1, 0.5, 1.0}) {
    DeviceTickets shared({.share = share, .clock = &clock});
    shared.OnLevels(0, 0, 1, 0);
    Trainer one(&shared), two(&shared);
    one.seat->Ask();
    two.seat->Ask();
    const MonotonicTime begin = clock.Now();
    double worked = 0;
    int last_one = 0, last_two = 0;
    for (uint64_t slice = 0; slice < 200; ++slice) {
      const auto took = milliseconds(1 + RandomBits(7, 0, slice) % 100);
      clock.Advance(took);
      worked += Seconds(took);
      Trainer& holder = one.goes > last_one ? one : two;
      ASSERT_EQ(one.goes - last_one + two.goes - last_two, 1);
      last_one = one.goes;
      last_two = two.goes;
      holder.seat->Return(Seconds(took));
      holder.seat->Ask();
      while (one.goes + two.goes == last_one + last_two) {
        clock.Advance(milliseconds(1));
        shared.Tick();
      }
    }
    const double got = worked / Seconds(clock.Now() - begin);
    EXPECT_LE(got, share * (1 + 1e-9));
    EXPECT_GE(got, share * 0.9);
    EXPECT_LE(std::abs(last_one - last_two), 1);
  }
}

// The rest follows what the device did, as far as that can be true.
TEST_F(DeviceTicketsTest, ASliceTookWhatItSaysButNotLongerThanTheTicketWasHeld) {
  SetLive(true);
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (const auto& [said, rest] : std::vector<std::pair<double, int>>{
           {0.01, 90}, {0.05, 450}, {1e9, 450}, {nan, 450}, {-1, 450}, {0, 0}}) {
    DeviceTickets fresh({.share = 0.1, .clock = &clock});
    fresh.OnLevels(0, 0, 1, 0);
    Trainer trainer(&fresh);
    trainer.seat->Ask();
    clock.Advance(milliseconds(50));
    trainer.seat->Return(said);
    trainer.seat->Ask();
    if (rest > 0) {
      clock.Advance(milliseconds(rest - 1));
      fresh.Tick();
      EXPECT_EQ(trainer.goes, 1) << said;
      clock.Advance(milliseconds(2));
      fresh.Tick();
    }
    EXPECT_EQ(trainer.goes, 2) << said;
  }
}

TEST_F(DeviceTicketsTest, OneAtATimeInTheOrderOfAsking) {
  b.seat->Ask();
  c.seat->Ask();
  a.seat->Ask();
  EXPECT_EQ(b.goes + c.goes + a.goes, 1);
  EXPECT_EQ(b.goes, 1);
  b.seat->Return(0.1);
  b.seat->Ask();  // again, behind the others
  EXPECT_EQ(c.goes, 1);
  EXPECT_EQ(a.goes + b.goes, 1);
  c.seat->Return(0.1);
  EXPECT_EQ(a.goes, 1);
  EXPECT_EQ(b.goes, 1);
  a.seat->Return(0.1);
  EXPECT_EQ(b.goes, 2);
}

TEST_F(DeviceTicketsTest, AnotherDeviceHasAnotherTicket) {
  Trainer elsewhere(&tickets, "cuda:1");
  a.seat->Ask();
  elsewhere.seat->Ask();
  EXPECT_EQ(a.goes, 1);
  EXPECT_EQ(elsewhere.goes, 1);
}

TEST_F(DeviceTicketsTest, TheTicketOfADeadTrainerComesBack) {
  a.seat->Ask();
  b.seat->Ask();
  EXPECT_EQ(b.goes, 0);
  a.seat.reset();
  EXPECT_EQ(b.goes, 1);
  // Beside requests the rest follows the time for which it was held.
  SetLive(true);
  c.seat->Ask();
  Pass(milliseconds(50));
  b.seat.reset();
  Pass(milliseconds(449));
  EXPECT_EQ(c.goes, 0);
  Pass(milliseconds(2));
  EXPECT_EQ(c.goes, 1);
}

TEST_F(DeviceTicketsTest, WhoWaitsNoMoreIsPassedOver) {
  a.seat->Ask();
  b.seat->Ask();
  c.seat->Ask();
  b.seat->Return(0);  // is stopped
  a.seat->Return(0.1);
  EXPECT_EQ(b.goes, 0);
  EXPECT_EQ(c.goes, 1);
  a.seat->Ask();
  b.seat->Ask();
  a.seat.reset();  // dies
  c.seat->Return(0.1);
  EXPECT_EQ(a.goes, 1);
  EXPECT_EQ(b.goes, 1);
}

TEST_F(DeviceTicketsTest, WhoAsksTwiceHasStillOnePlace) {
  a.seat->Ask();
  a.seat->Ask();  // gives back what it holds
  EXPECT_EQ(a.goes, 2);
  b.seat->Ask();
  b.seat->Ask();
  c.seat->Ask();
  a.seat->Return(0);
  b.seat->Return(0);
  EXPECT_EQ(b.goes, 1);
  EXPECT_EQ(c.goes, 1);
}

TEST_F(DeviceTicketsTest, BecomingIdleFreesAWaiter) {
  SetLive(true);
  a.seat->Ask();
  Pass(std::chrono::seconds(10));
  a.seat->Return(10);
  a.seat->Ask();
  SetLive(false);
  Pass(milliseconds(99));
  EXPECT_EQ(a.goes, 1);
  SetLive(true);  // the next of a burst
  Pass(milliseconds(50));
  SetLive(false);
  Pass(milliseconds(99));
  EXPECT_EQ(a.goes, 1);
  Pass(milliseconds(1));
  EXPECT_EQ(a.goes, 2);
}

TEST_F(DeviceTicketsTest, ATinyShareIsNoEnd) {
  DeviceTickets tiny({.share = 1e-300, .clock = &clock});
  tiny.OnLevels(0, 0, 1, 0);
  Trainer trainer(&tiny);
  trainer.seat->Ask();
  clock.Advance(milliseconds(50));
  trainer.seat->Return(0.05);
  trainer.seat->Ask();
  EXPECT_EQ(trainer.goes, 1);
  clock.Advance(std::chrono::hours(1));
  tiny.Tick();
  EXPECT_EQ(trainer.goes, 2);
}

// With the process's clock a thread gives what falls due, and not before.
TEST(DeviceTicketsTimer, GivesWhatFallsDue) {
  DeviceTickets tickets({.share = 0.2});
  Trainer trainer(&tickets);
  const auto wait_for = [&](int goes) {
    while (trainer.goes < goes) std::this_thread::sleep_for(milliseconds(1));
    return Clock::System()->Now();
  };
  tickets.OnLevels(0, 0, 1, 0);
  trainer.seat->Ask();
  std::this_thread::sleep_for(milliseconds(20));
  const MonotonicTime returned = Clock::System()->Now();
  trainer.seat->Return(0.02);
  trainer.seat->Ask();
  EXPECT_GE(Seconds(wait_for(2) - returned), 0.079);
  std::this_thread::sleep_for(milliseconds(40));
  trainer.seat->Return(1e9);
  trainer.seat->Ask();
  const MonotonicTime idle = Clock::System()->Now();
  tickets.OnLevels(0, 0, 0, 0);
  EXPECT_GE(Seconds(wait_for(3) - idle), 0.099);
}

TEST(DeviceTicketsStorm, NeverTwoHoldersAndNobodyIsForgotten) {
  DeviceTickets tickets({.share = 0.9});
  constexpr int kTrainers = 4, kLives = 100, kSlices = 10;
  std::atomic<int> holders{0}, given{0};
  std::atomic<bool> done{false};
  std::thread requests([&] {
    for (int i = 0; !done; ++i) {
      tickets.OnLevels(0, 0, i % 2, 0);
      std::this_thread::yield();
    }
    tickets.OnLevels(0, 0, 0, 0);
  });
  std::vector<std::thread> trainers;
  for (int trainer = 0; trainer < kTrainers; ++trainer) {
    trainers.emplace_back([&, trainer] {
      for (int life = 0; life < kLives; ++life) {
        std::atomic<int> goes{0};
        auto seat = tickets.Enter("cuda:0", [&] {
          EXPECT_EQ(holders.fetch_add(1), 0);
          ++given;
          ++goes;
        });
        for (int slice = 1; slice <= kSlices; ++slice) {
          seat->Ask();
          while (goes < slice) std::this_thread::yield();
          holders.fetch_sub(1);
          // Some die with the ticket.
          if (slice == kSlices && trainer % 2 == 0) break;
          seat->Return(1e-5);
        }
      }
    });
  }
  for (std::thread& trainer : trainers) trainer.join();
  done = true;
  requests.join();
  EXPECT_EQ(given, kTrainers * kLives * kSlices);
}

}  // namespace
}  // namespace strata
