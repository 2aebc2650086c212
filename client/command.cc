#include "client/command.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "absl/strings/cord.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "client/interrupts.h"
#include "client/output.h"
#include "model/base/status_macros.h"

namespace strata {
namespace {

constexpr char kUsageUrl[] = "strata.client/usage";
constexpr char kInterruptedUrl[] = "strata.client/interrupted";
constexpr char kDefaultServer[] = "127.0.0.1:50051";

constexpr Command kCommands[] = {
    {"generate", "continue a prompt, as a stream", RunGenerate},
    {"chat", "talk with a model, line by line", RunChat},
    {"score", "how likely a text is under a model", RunScore},
    {"tokenize", "the tokens that a model makes of a text", RunTokenize},
    {"inspect", "what each level of a model attended to in a text", RunInspect},
    {"classify", "which label texts get, and which sentences weigh", RunClassify},
    {"embed", "vectors of texts or of their sentences", RunEmbed},
    {"train", "upload data and train a model on it", RunTrain},
    {"datastore", "upload data and have a model remember it", RunDatastore},
    {"jobs", "list, show, watch or cancel training jobs", RunJobs},
    {"models", "list, load or unload models, move aliases", RunModels},
    {"bench", "measure a server under load", RunBench},
};

std::string Help() {
  std::string help =
      "strata COMMAND [--server HOST:PORT] [OPTIONS]\n\n"
      "Talks to a strata-server.\n\n";
  for (const Command& command : kCommands) {
    absl::StrAppend(&help, "  ", command.name, std::string(10 - strlen(command.name), ' '),
                    command.summary, "\n");
  }
  absl::StrAppend(&help,
                  "\nstrata COMMAND --help tells a command's options. The server is that of "
                  "--server,\nbefore or after the command, of STRATA_SERVER, or ",
                  kDefaultServer,
                  ".\nExit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted.\n");
  return help;
}

// Takes --server off the front; the command's name is then words[*at].
absl::Status ParseGlobal(const std::vector<std::string>& words, std::string* server, size_t* at) {
  const char* environment = getenv("STRATA_SERVER");
  *server = environment != nullptr && *environment != '\0' ? environment : kDefaultServer;
  for (*at = 0; *at < words.size() && absl::StartsWith(words[*at], "-"); ++*at) {
    const std::string& word = words[*at];
    if (absl::StartsWith(word, "--server=")) {
      *server = word.substr(strlen("--server="));
    } else if (word == "--server" && *at + 1 < words.size()) {
      *server = words[++*at];
    } else {
      return UsageError(word == "--server" ? "--server needs a value: --server HOST:PORT"
                                           : absl::StrCat("unknown option ", word,
                                                          " before the command; see strata "
                                                          "--help"));
    }
  }
  return absl::OkStatus();
}

// Of all errors the one that a newcomer meets first gets words of its own.
absl::Status ExplainUnreachable(const absl::Status& status, const std::string& server) {
  if (!absl::IsUnavailable(status) ||
      !absl::StrContains(status.message(), "ailed to connect")) {
    return status;
  }
  return absl::UnavailableError(
      absl::StrCat("no server answers at ", server,
                   "; start strata-server, or name another with --server or STRATA_SERVER"));
}

absl::Status Run(const std::vector<std::string>& words) {
  if (!words.empty() && (words[0] == "--help" || words[0] == "-h" || words[0] == "help")) {
    return WriteOut(Help());
  }
  if (!words.empty() && words[0] == "--version") return WriteLine("strata " STRATA_VERSION);
  CommandContext context;
  size_t at = 0;
  STRATA_RETURN_IF_ERROR(ParseGlobal(words, &context.server, &at));
  if (at == words.size()) return UsageError("a command is missing; see strata --help");
  for (const Command& command : kCommands) {
    if (words[at] != command.name) continue;
    const std::vector<std::string> rest(words.begin() + static_cast<long>(at) + 1, words.end());
    const absl::Status status = command.run(&context, rest);
    return ExplainUnreachable(status, context.server);
  }
  return UsageError(absl::StrCat("unknown command '", words[at], "'; see strata --help"));
}

}  // namespace

absl::Span<const Command> Commands() { return kCommands; }

absl::Status UsageError(const std::string& message) {
  absl::Status status = absl::InvalidArgumentError(message);
  status.SetPayload(kUsageUrl, absl::Cord("1"));
  return status;
}

bool IsUsageError(const absl::Status& status) {
  return status.GetPayload(kUsageUrl).has_value();
}

absl::Status Interrupted() {
  absl::Status status = absl::CancelledError("");
  status.SetPayload(kInterruptedUrl, absl::Cord("1"));
  return status;
}

bool IsInterrupted(const absl::Status& status) {
  return status.GetPayload(kInterruptedUrl).has_value();
}

absl::Status ParseOrHelp(CommandContext* context, ArgParser* args,
                         const std::vector<std::string>& words, bool* done) {
  args->Add("server", "HOST:PORT",
            absl::StrCat("default: STRATA_SERVER, or ", kDefaultServer), &context->server);
  const absl::Status status = args->Parse(words);
  if (!status.ok()) return UsageError(std::string(status.message()));
  *done = args->help_requested();
  if (*done) return WriteOut(args->Help());
  if (context->server.empty()) return UsageError("--server is empty; it is HOST:PORT");
  if (absl::StrContains(context->server, "://") &&
      absl::StartsWith(context->server, "http")) {
    return UsageError(absl::StrCat("--server is ", context->server,
                                   "; it is HOST:PORT, without http://"));
  }
  context->connection = std::make_unique<Connection>(context->server);
  return absl::OkStatus();
}

int RunCommandLine(const std::vector<std::string>& words) {
  const absl::Status status = Run(words);
  if (status.ok()) return 0;
  if (!status.message().empty()) {
    fprintf(stderr, "error: %s\n", std::string(status.message()).c_str());
  }
  if (IsUsageError(status)) return 2;
  return IsInterrupted(status) ? kInterruptedExitCode : 1;
}

}  // namespace strata
