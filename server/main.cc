// strata-server [flags]         serves and trains
// strata-server trainer …       one attempt of a training job (a child of the above)

#include <malloc.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "model/base/clock.h"
#include "model/base/log.h"
#include "model/train/trainer_main.h"
#include "server/app/app.h"
#include "server/app/flags.h"

namespace {

constexpr char kUsage[] =
    "strata-server [flags]: serves hierarchical language models over gRPC and\n"
    "trains them. Each flag has a twin in the environment; the flag wins.\n\n";

bool Has(const std::vector<std::string>& arguments, const char* word) {
  for (const std::string& argument : arguments) {
    if (argument == word) return true;
  }
  return false;
}

// A stream's state is one block of megabytes. Left to itself glibc raises its
// threshold to 32 MiB after the first one, keeps the rest on its heap, and
// --state-memory would bound only half of what the process holds.
void ReturnLargeBlocksToTheSystem() { mallopt(M_MMAP_THRESHOLD, 1 << 20); }

int Serve(const std::vector<std::string>& arguments) {
  ReturnLargeBlocksToTheSystem();
  const auto flags = strata::ParseFlags(arguments, strata::ProcessEnvironment);
  if (!flags.ok()) {
    std::fprintf(stderr, "strata-server: %s\n",
                 std::string(flags.status().message()).c_str());
    return 2;
  }
  strata::BlockSignals();
  auto app = strata::App::Build(*flags);
  if (!app.ok()) {
    std::fprintf(stderr, "strata-server: %s\n",
                 std::string(app.status().message()).c_str());
    return 1;
  }
  const int code = (*app)->Run();
  const strata::MonotonicTime begin = strata::Clock::System()->Now();
  app->reset();
  strata::Log(strata::Severity::kInfo, "server stopped",
              {{"teardown_seconds",
                strata::Seconds(strata::Clock::System()->Now() - begin)}});
  return code;
}

// Leaves without the destructors of statics. What is ours is closed by now; the
// rest is LibTorch taking thousands of operators out of its tables one by one,
// for nothing: a quarter of a second of computing, a minute on a crowded host,
// in which the watchdog would call the shutdown hung.
[[noreturn]] void Leave(int code) {
  std::fflush(nullptr);
  _exit(code);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 1 && std::strcmp(argv[1], "trainer") == 0) {
    return strata::TrainerMain(argc - 1, argv + 1);
  }
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  if (Has(arguments, "--help")) {
    std::printf("%s%s", kUsage, strata::FlagsHelp().c_str());
    return 0;
  }
  if (Has(arguments, "--version")) {
    std::printf("strata-server %s\n", STRATA_VERSION);
    return 0;
  }
  Leave(Serve(arguments));
}
