#pragma once
// The arguments of one command: `--name VALUE`, `--name=VALUE`, `--flag`, and
// positional words, each with its line of help. A name may come from anywhere
// on the line; `--` ends the options. Errors are INVALID_ARGUMENT and name the
// option and the value. Not thread-safe; targets must outlive the parser.
//
//   ArgParser args("score", "Prints how likely a text is.");
//   args.Add("model", "M", "the model", &model).Require();
//   STRATA_RETURN_IF_ERROR(args.Parse(words));

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"

namespace strata {

// One overload a type; the error says what is wrong with `text` alone.
absl::Status ParseValue(const std::string& text, std::string* value);
absl::Status ParseValue(const std::string& text, int64_t* value);
absl::Status ParseValue(const std::string& text, uint64_t* value);
absl::Status ParseValue(const std::string& text, double* value);

template <typename T>
absl::Status ParseValue(const std::string& text, std::optional<T>* value) {
  T parsed{};
  absl::Status status = ParseValue(text, &parsed);
  if (status.ok()) *value = std::move(parsed);
  return status;
}

template <typename T>
absl::Status ParseValue(const std::string& text, std::vector<T>* values) {
  T parsed{};
  absl::Status status = ParseValue(text, &parsed);
  if (status.ok()) values->push_back(std::move(parsed));
  return status;
}

class ArgParser {
 public:
  // `usage` follows "strata " in the help, e.g. "score".
  ArgParser(std::string usage, std::string summary);

  template <typename T>
  ArgParser& Add(std::string name, std::string metavar, std::string help, T* target) {
    return AddOption(std::move(name), std::move(metavar), std::move(help),
                     [target](const std::string& text) { return ParseValue(text, target); });
  }
  ArgParser& AddFlag(std::string name, std::string help, bool* target);
  // Positional words fill these in order; at most one word each.
  ArgParser& AddWord(std::string metavar, std::string help, std::string* target);
  // The option or word added last must be given.
  ArgParser& Require();

  // After it, help_requested() says whether `--help` stood among the words, in
  // which case nothing else was checked.
  absl::Status Parse(const std::vector<std::string>& words);
  bool help_requested() const { return help_requested_; }
  std::string Help() const;

 private:
  struct Option {
    std::string name;  // empty for a word
    std::string metavar;  // empty for a flag
    std::string help;
    std::function<absl::Status(const std::string&)> set;
    bool required = false;
    bool given = false;
  };

  ArgParser& AddOption(std::string name, std::string metavar, std::string help,
                       std::function<absl::Status(const std::string&)> set);
  Option* Find(const std::string& name);
  absl::Status SetOption(const std::vector<std::string>& words, size_t* at);
  absl::Status SetWord(const std::string& word);

  std::string usage_;
  std::string summary_;
  std::vector<Option> options_;
  bool help_requested_ = false;
};

}  // namespace strata
