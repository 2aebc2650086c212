#include "server/jobs/device_tickets.h"

#include <algorithm>
#include <chrono>
#include <limits>
#include <utility>

#include "model/base/thread_name.h"

namespace strata {
namespace {

// Requests come in bursts: between two of one client's the server is not idle yet.
constexpr MonotonicDuration kIdleAfter = std::chrono::milliseconds(100);
constexpr double kMaxRestSeconds = 3600;
constexpr double kAllOfIt = std::numeric_limits<double>::infinity();

}  // namespace

DeviceTickets::DeviceTickets(const DeviceTicketsOptions& options)
    : options_(options), thread_([this] { Run(); }) {}

DeviceTickets::~DeviceTickets() {
  {
    MutexLock lock(&mu_);
    stop_ = true;
    cond_.SignalAll();
  }
  thread_.join();
}

std::unique_ptr<DeviceTickets::Seat> DeviceTickets::Enter(const std::string& device,
                                                          std::function<void()> go) {
  MutexLock lock(&mu_);
  return std::unique_ptr<Seat>(new Seat(this, &lines_[device], std::move(go)));
}

void DeviceTickets::Tick() {
  MutexLock lock(&mu_);
  SettleAndWake();
}

void DeviceTickets::OnLevels(int64_t queued_requests, int64_t, int64_t running, int64_t) {
  const bool live = queued_requests > 0 || running > 0;
  MutexLock lock(&mu_);
  if (live == live_) return;
  live_ = live;
  if (live) return;  // gives nobody anything
  idle_at_ = options_.clock->Now() + kIdleAfter;
  cond_.Signal();  // the thread sees to it: a worker of the engine must not wait
}

void DeviceTickets::Ask(Seat* seat) {
  MutexLock lock(&mu_);
  Release(seat, kAllOfIt);  // one at a time, whoever asks twice
  seat->asked_ = options_.clock->Now();
  seat->line_->waiting.push_back(seat);
  TellWaiting();
  SettleAndWake();
}

void DeviceTickets::Return(Seat* seat, double seconds) {
  MutexLock lock(&mu_);
  Release(seat, seconds);
  SettleAndWake();
}

void DeviceTickets::Release(Seat* seat, double seconds) {
  Line& line = *seat->line_;
  if (std::erase(line.waiting, seat) > 0) TellWaiting();
  if (line.holder != seat) return;
  line.holder = nullptr;
  const MonotonicTime now = options_.clock->Now();
  const double held = Seconds(now - line.given);
  const double slice = seconds >= 0 ? std::min(seconds, held) : held;  // NaN: held
  const double rest = std::min(slice * (1 / options_.share - 1), kMaxRestSeconds);
  line.rested = now + std::chrono::duration_cast<MonotonicDuration>(
                          std::chrono::duration<double>(rest));
  if (options_.observer != nullptr) options_.observer->OnSlice(slice);
}

MonotonicTime DeviceTickets::Settle() {
  const MonotonicTime now = options_.clock->Now();
  MonotonicTime due = MonotonicTime::max();
  for (auto& [name, line] : lines_) {
    if (DueOf(line) <= now) Give(&line, now);
    due = std::min(due, DueOf(line));
  }
  return due;
}

void DeviceTickets::SettleAndWake() {
  if (Settle() != MonotonicTime::max()) cond_.Signal();
}

MonotonicTime DeviceTickets::DueOf(const Line& line) const {
  if (line.holder != nullptr || line.waiting.empty()) return MonotonicTime::max();
  return live_ ? line.rested : std::min(line.rested, idle_at_);
}

void DeviceTickets::Give(Line* line, MonotonicTime now) {
  line->holder = line->waiting.front();
  line->waiting.pop_front();
  line->given = now;
  if (options_.observer != nullptr) {
    options_.observer->OnTicket(Seconds(now - line->holder->asked_));
  }
  TellWaiting();
  line->holder->go_();
}

void DeviceTickets::TellWaiting() {
  if (options_.observer == nullptr) return;
  int64_t trainers = 0;
  for (const auto& [name, line] : lines_) {
    trainers += static_cast<int64_t>(line.waiting.size());
  }
  options_.observer->OnTicketsWaiting(trainers);
}

// Only what falls due by time: whatever else gives a ticket does it on its own thread.
void DeviceTickets::Run() {
  NameThisThread("tickets");
  MutexLock lock(&mu_);
  while (!stop_) {
    const MonotonicTime due = Settle();
    if (due == MonotonicTime::max()) {
      cond_.Wait(&mu_);
    } else {
      cond_.WaitUntil(&mu_, CondVar::Clock::now() + (due - options_.clock->Now()));
    }
  }
}

DeviceTickets::Seat::Seat(DeviceTickets* tickets, Line* line, std::function<void()> go)
    : tickets_(tickets), line_(line), go_(std::move(go)) {}

DeviceTickets::Seat::~Seat() { tickets_->Return(this, kAllOfIt); }

}  // namespace strata
