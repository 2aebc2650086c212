#pragma once
// DeviceTickets: whose turn it is on a device that decodes for streams and trains.
//
// A stream's step waits for what a trainer has asked of the device: behind it, or, a
// trainer being a process of its own, in turns of a few ms that the driver gives both. So
// a trainer takes a ticket for each slice of work (model/trainer_wire.h), and a device has
// one ticket, given in the order in which trainers ask:
//
//   at once      while the server is idle: for 100 ms no request ran or was queued
//   by share     otherwise: after a slice of L seconds not sooner than
//                L * (1 / share - 1) later, at most an hour, so that slices take at
//                most that share of the time; a trainer that asks keeps it, too
//
// A stream so waits for one slice at most, and a job never starves. What requests do
// is learnt from the engine (EngineObserver::OnLevels), of all its workers together.
// Thread-safe.

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>

#include "model/base/clock.h"
#include "model/base/mutex.h"
#include "server/engine/observer.h"
#include "server/jobs/observer.h"

namespace strata {

struct DeviceTicketsOptions {
  double share = 0.1;  // of the time while requests are live; in (0, 1]
  const Clock* clock = Clock::System();
  JobObserver* observer = nullptr;  // may be null; outlives the tickets
};

class DeviceTickets final : public EngineObserver {
 public:
  class Seat;

  explicit DeviceTickets(const DeviceTicketsOptions& options);
  ~DeviceTickets() override;  // REQUIRES: no seat is left

  // A trainer that will ask for the ticket of `device` (its name). `go` says that it
  // has got it; called under a lock, so it must neither block nor call back.
  std::unique_ptr<Seat> Enter(const std::string& device, std::function<void()> go);

  // Gives what is due by the clock: for a clock that moves by itself a thread does.
  void Tick();

  void OnLevels(int64_t queued_requests, int64_t queued_bytes, int64_t running,
                int64_t state_bytes) override;

 private:
  struct Line {  // of one device
    std::deque<Seat*> waiting;
    Seat* holder = nullptr;
    MonotonicTime given{};
    MonotonicTime rested = MonotonicTime::min();  // from then on by share
  };

  void Ask(Seat* seat);
  void Return(Seat* seat, double seconds);
  // No longer waits; the slice of a holder took `seconds`, but not longer than it held
  // the ticket.
  void Release(Seat* seat, double seconds) STRATA_REQUIRES(mu_);
  // Gives every ticket that may be given; when the next may be, max() if none is
  // waited for.
  MonotonicTime Settle() STRATA_REQUIRES(mu_);
  void SettleAndWake() STRATA_REQUIRES(mu_);
  MonotonicTime DueOf(const Line& line) const STRATA_REQUIRES(mu_);
  void TellWaiting() STRATA_REQUIRES(mu_);
  void Give(Line* line, MonotonicTime now) STRATA_REQUIRES(mu_);
  void Run();

  const DeviceTicketsOptions options_;
  Mutex mu_;
  CondVar cond_;
  std::map<std::string, Line> lines_ STRATA_GUARDED_BY(mu_);
  bool live_ STRATA_GUARDED_BY(mu_) = false;  // requests are
  MonotonicTime idle_at_ STRATA_GUARDED_BY(mu_) = MonotonicTime::min();
  bool stop_ STRATA_GUARDED_BY(mu_) = false;
  std::thread thread_;
};

// A trainer's place. Its destruction gives back what it holds and asks no more; no
// `go` is called from then on. The tickets outlive it. Of one thread.
class DeviceTickets::Seat {
 public:
  ~Seat();
  void Ask() { tickets_->Ask(this); }
  // The slice is over, or the ticket not wanted any more.
  void Return(double seconds) { tickets_->Return(this, seconds); }

 private:
  friend class DeviceTickets;
  Seat(DeviceTickets* tickets, Line* line, std::function<void()> go);

  DeviceTickets* const tickets_;
  Line* const line_;
  const std::function<void()> go_;
  MonotonicTime asked_{};
};

}  // namespace strata
