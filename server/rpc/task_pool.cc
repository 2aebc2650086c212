#include "server/rpc/task_pool.h"

#include <limits>
#include <utility>

namespace strata {

TaskPool::TaskPool(int threads, size_t max_queued) : max_queued_(max_queued) {
  for (int i = 0; i < threads; ++i) threads_.emplace_back([this] { Work(); });
}

TaskPool::~TaskPool() { Stop(); }

bool TaskPool::Run(std::function<void()> task) {
  return Add(std::move(task), max_queued_);
}

bool TaskPool::Continue(std::function<void()> task) {
  return Add(std::move(task), std::numeric_limits<size_t>::max());
}

bool TaskPool::Add(std::function<void()> task, size_t limit) {
  MutexLock lock(&mu_);
  if (stopping_ || tasks_.size() >= limit) return false;
  tasks_.push_back(std::move(task));
  wake_.Signal();
  return true;
}

void TaskPool::Stop() {
  {
    MutexLock lock(&mu_);
    stopping_ = true;
    wake_.SignalAll();
  }
  for (std::thread& thread : threads_) {
    if (thread.joinable()) thread.join();
  }
}

void TaskPool::Work() {
  for (;;) {
    std::function<void()> task;
    {
      MutexLock lock(&mu_);
      while (tasks_.empty() && !stopping_) wake_.Wait(&mu_);
      if (tasks_.empty()) return;
      task = std::move(tasks_.front());
      tasks_.pop_front();
    }
    task();
  }
}

}  // namespace strata
