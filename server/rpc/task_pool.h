#pragma once
// TaskPool: a few threads for what may block (a load, a database, a disk), so
// that gRPC's own threads never wait. Tasks run in order of arrival. Stop runs
// what is queued, then joins: a task that owns a call always gets to end it.
// Thread-safe.

#include <deque>
#include <functional>
#include <thread>
#include <vector>

#include "model/base/mutex.h"

namespace strata {

class TaskPool {
 public:
  TaskPool(int threads, size_t max_queued);
  ~TaskPool();  // Stop()

  // False, and nothing happens, when the queue is full or the pool stopped.
  bool Run(std::function<void()> task);
  // As Run, but never refused for length: for the next part of accepted work.
  bool Continue(std::function<void()> task);
  void Stop();

 private:
  bool Add(std::function<void()> task, size_t limit);
  void Work();

  const size_t max_queued_;
  Mutex mu_;
  CondVar wake_;
  std::deque<std::function<void()>> tasks_ STRATA_GUARDED_BY(mu_);
  bool stopping_ STRATA_GUARDED_BY(mu_) = false;
  std::vector<std::thread> threads_;
};

}  // namespace strata
