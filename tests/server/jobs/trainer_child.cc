// A trainer without a model, for the tests of LocalExecutor. The name of the
// model in its spec says how it behaves.

#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <string>

#include "model/trainer_wire.h"
#include "model/version_dir.h"

namespace {

void Send(int fd, const std::string& line) {
  const std::string text = line + "\n";
  if (write(fd, text.data(), text.size()) < 0) _exit(3);
}

void SendEnd(int fd, const absl::Status& status) {
  strata::TrainEvent event;
  event.type = strata::TrainEvent::Type::kEnded;
  event.status = status;
  Send(fd, strata::TrainEventToJson(event));
}

// Asks for a ticket and waits for it; false: it is cancelled.
bool GetTicket(int fd) {
  strata::TrainEvent event;
  event.type = strata::TrainEvent::Type::kTicket;
  Send(fd, strata::TrainEventToJson(event));
  std::string line;
  while (std::getline(std::cin, line)) {
    if (line == "go") return true;
    if (line == "cancel") return false;
  }
  _exit(75);  // the supervisor is gone
}

// Steps of a slice each; how it ends.
absl::Status TakeSlices(int fd, int count) {
  strata::TrainEvent event;
  for (int step = 1; step <= count; ++step) {
    if (!GetTicket(fd)) return absl::CancelledError("asked");
    event.type = strata::TrainEvent::Type::kSlice;
    event.seconds = 1e-5;
    Send(fd, strata::TrainEventToJson(event));
    event.type = strata::TrainEvent::Type::kProgress;
    event.progress.step = step;
    Send(fd, strata::TrainEventToJson(event));
  }
  return absl::OkStatus();
}

}  // namespace

int main(int argc, char** argv) {
  std::string run_file;
  int fd = -1, nice = -1;
  const bool tickets = std::strcmp(argv[argc - 1], "--tickets") == 0;
  for (int i = 1; i + 1 < argc; i += 2) {
    if (std::strcmp(argv[i], "--run") == 0) run_file = argv[i + 1];
    if (std::strcmp(argv[i], "--events-fd") == 0) fd = std::atoi(argv[i + 1]);
    if (std::strcmp(argv[i], "--nice") == 0) nice = std::atoi(argv[i + 1]);
  }
  const auto text = strata::ReadFile(run_file);
  if (!text.ok() || fd < 0 || nice < 0) return 2;
  const auto run = strata::ParseTrainRun(*text);
  if (!run.ok()) return 2;
  const std::string& mode = run->spec.model;

  strata::TrainEvent event;
  event.type = strata::TrainEvent::Type::kStarted;
  event.threads = getppid();  // so that a test can ask who made it
  Send(fd, strata::TrainEventToJson(event));
  if (mode == "crash") raise(SIGKILL);
  if (mode == "exit") return 7;
  if (mode == "garbage") {
    Send(fd, "this is not JSON");
    Send(fd, "{\"type\": \"later invention\"}");
    Send(fd, std::string(100'000, 'x'));
  }
  if (mode == "deaf") {
    while (true) pause();
  }
  if (mode == "orphan" && fork() == 0) {
    // A grandchild that holds the events open.
    while (true) pause();
  }
  if (mode == "talk") {
    for (int step = 1; step <= 1000; ++step) {
      event.type = strata::TrainEvent::Type::kProgress;
      event.progress.step = step;
      Send(fd, strata::TrainEventToJson(event));
    }
  }
  if (mode == "slices") {
    const absl::Status ended =
        tickets ? TakeSlices(fd, 100) : absl::FailedPreconditionError("no tickets");
    SendEnd(fd, ended);
    return strata::TrainerExitCode(ended);
  }
  if (mode == "hold" && GetTicket(fd)) {
    event.type = strata::TrainEvent::Type::kProgress;
    event.progress.step = 1;
    Send(fd, strata::TrainEventToJson(event));
    while (true) pause();
  }
  event.type = strata::TrainEvent::Type::kAlive;
  if (mode == "beat") Send(fd, strata::TrainEventToJson(event));
  if (mode == "listen") {
    std::string line;
    while (std::getline(std::cin, line)) {
      SendEnd(fd, line == "cancel" ? absl::CancelledError("asked")
                                   : absl::AbortedError("asked"));
      return 64;
    }
    return 75;  // the supervisor is gone
  }
  SendEnd(fd, absl::OkStatus());
  return 0;
}
