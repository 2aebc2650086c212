#pragma once
// One subcommand of `strata`: one file of commands/, one row of Commands().

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "client/args.h"
#include "client/connection.h"

namespace strata {

struct CommandContext {
  std::string server;                      // HOST:PORT
  std::unique_ptr<Connection> connection;  // to it, once the words are parsed
};

struct Command {
  const char* name;
  const char* summary;
  // The words after the name. Errors are printed by the caller; what a script
  // reads was written to standard output.
  absl::Status (*run)(CommandContext* context, const std::vector<std::string>& words);
};

absl::Status RunGenerate(CommandContext* context, const std::vector<std::string>& words);
absl::Status RunChat(CommandContext* context, const std::vector<std::string>& words);
absl::Status RunScore(CommandContext* context, const std::vector<std::string>& words);
absl::Status RunClassify(CommandContext* context, const std::vector<std::string>& words);
absl::Status RunEmbed(CommandContext* context, const std::vector<std::string>& words);
absl::Status RunInspect(CommandContext* context, const std::vector<std::string>& words);
absl::Status RunTokenize(CommandContext* context, const std::vector<std::string>& words);
absl::Status RunTrain(CommandContext* context, const std::vector<std::string>& words);
absl::Status RunDatastore(CommandContext* context, const std::vector<std::string>& words);
absl::Status RunJobs(CommandContext* context, const std::vector<std::string>& words);
absl::Status RunModels(CommandContext* context, const std::vector<std::string>& words);
absl::Status RunBench(CommandContext* context, const std::vector<std::string>& words);

absl::Span<const Command> Commands();

// Parses `words`, of which --server is one that every command takes, and connects
// `context`; or, if `--help` was asked for, prints the help and sets `*done`.
// Errors are marked as usage errors.
absl::Status ParseOrHelp(CommandContext* context, ArgParser* args,
                         const std::vector<std::string>& words, bool* done);

// INVALID_ARGUMENT that came from the command line, not from the server.
absl::Status UsageError(const std::string& message);
bool IsUsageError(const absl::Status& status);

// The user pressed Ctrl-C and was told what that means: nothing more to print.
absl::Status Interrupted();
bool IsInterrupted(const absl::Status& status);

// The whole program without main's signal set-up; returns the exit code.
int RunCommandLine(const std::vector<std::string>& words);

}  // namespace strata
