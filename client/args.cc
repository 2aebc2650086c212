#include "client/args.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "model/base/status_macros.h"

namespace strata {
namespace {

absl::Status Bad(const std::string& text, const char* what) {
  return absl::InvalidArgumentError(absl::StrCat("'", text, "' is not ", what));
}

}  // namespace

absl::Status ParseValue(const std::string& text, std::string* value) {
  *value = text;
  return absl::OkStatus();
}

absl::Status ParseValue(const std::string& text, int64_t* value) {
  return absl::SimpleAtoi(text, value) ? absl::OkStatus() : Bad(text, "a whole number");
}

absl::Status ParseValue(const std::string& text, uint64_t* value) {
  return absl::SimpleAtoi(text, value) ? absl::OkStatus()
                                       : Bad(text, "a whole number from 0 to 2^64 - 1");
}

absl::Status ParseValue(const std::string& text, double* value) {
  return absl::SimpleAtod(text, value) && std::isfinite(*value) ? absl::OkStatus()
                                                                : Bad(text, "a number");
}

ArgParser::ArgParser(std::string usage, std::string summary)
    : usage_(std::move(usage)), summary_(std::move(summary)) {}

ArgParser& ArgParser::AddOption(std::string name, std::string metavar, std::string help,
                                std::function<absl::Status(const std::string&)> set) {
  options_.push_back({std::move(name), std::move(metavar), std::move(help), std::move(set)});
  return *this;
}

ArgParser& ArgParser::AddFlag(std::string name, std::string help, bool* target) {
  return AddOption(std::move(name), "", std::move(help), [target](const std::string&) {
    *target = true;
    return absl::OkStatus();
  });
}

ArgParser& ArgParser::AddWord(std::string metavar, std::string help, std::string* target) {
  return AddOption("", std::move(metavar), std::move(help),
                   [target](const std::string& text) { return ParseValue(text, target); });
}

ArgParser& ArgParser::Require() {
  options_.back().required = true;
  return *this;
}

ArgParser::Option* ArgParser::Find(const std::string& name) {
  const auto it = std::find_if(options_.begin(), options_.end(), [&](const Option& option) {
    return !option.name.empty() && option.name == name;
  });
  return it == options_.end() ? nullptr : &*it;
}

absl::Status ArgParser::SetOption(const std::vector<std::string>& words, size_t* at) {
  const std::string& word = words[*at];
  const size_t equals = word.find('=');
  const std::string name =
      word.substr(2, equals == std::string::npos ? std::string::npos : equals - 2);
  Option* option = Find(name);
  if (option == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat("unknown option --", name, "; see strata ", usage_, " --help"));
  }
  std::string value;
  if (option->metavar.empty()) {
    if (equals != std::string::npos) {
      return absl::InvalidArgumentError(absl::StrCat("--", name, " takes no value"));
    }
  } else if (equals != std::string::npos) {
    value = word.substr(equals + 1);
  } else if (*at + 1 < words.size()) {
    value = words[++*at];
  } else {
    return absl::InvalidArgumentError(
        absl::StrCat("--", name, " needs a value: --", name, " ", option->metavar));
  }
  option->given = true;
  const absl::Status status = option->set(value);
  if (!status.ok()) {
    return absl::InvalidArgumentError(absl::StrCat("--", name, ": ", status.message()));
  }
  return absl::OkStatus();
}

absl::Status ArgParser::SetWord(const std::string& word) {
  for (Option& option : options_) {
    if (option.name.empty() && !option.given) {
      option.given = true;
      return option.set(word);
    }
  }
  return absl::InvalidArgumentError(
      absl::StrCat("unexpected argument '", word, "'; see strata ", usage_, " --help"));
}

absl::Status ArgParser::Parse(const std::vector<std::string>& words) {
  for (const std::string& word : words) {
    if (word == "--") break;
    if (word == "--help" || word == "-h") help_requested_ = true;
  }
  if (help_requested_) return absl::OkStatus();
  bool only_words = false;
  for (size_t at = 0; at < words.size(); ++at) {
    if (!only_words && words[at] == "--") {
      only_words = true;
    } else if (!only_words && absl::StartsWith(words[at], "--")) {
      STRATA_RETURN_IF_ERROR(SetOption(words, &at));
    } else {
      STRATA_RETURN_IF_ERROR(SetWord(words[at]));
    }
  }
  for (const Option& option : options_) {
    if (!option.required || option.given) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("strata ", usage_, " needs ",
                     option.name.empty() ? "" : absl::StrCat("--", option.name, " "),
                     option.metavar, " (", option.help, ")"));
  }
  return absl::OkStatus();
}

std::string ArgParser::Help() const {
  std::string words;
  std::vector<std::pair<std::string, std::string>> rows;
  for (const Option& option : options_) {
    std::string left = option.metavar;
    if (option.name.empty()) {
      absl::StrAppend(&words, option.required ? " " : " [", option.metavar,
                      option.required ? "" : "]");
    } else {
      left = absl::StrCat("--", option.name, left.empty() ? "" : " ", left);
    }
    rows.emplace_back(left, absl::StrCat(option.help, option.required && !option.name.empty()
                                                          ? " (required)"
                                                          : ""));
  }
  size_t width = 0;
  for (const auto& row : rows) width = std::max(width, row.first.size());
  std::string help = absl::StrCat("strata ", usage_, words, rows.empty() ? "" : " [OPTIONS]",
                                  "\n\n", summary_, "\n");
  if (!rows.empty()) help += "\n";
  const std::string next_line = "\n" + std::string(width + 4, ' ');
  for (const auto& [left, right] : rows) {
    absl::StrAppend(&help, "  ", left, std::string(width - left.size() + 2, ' '),
                    absl::StrReplaceAll(right, {{"\n", next_line}}), "\n");
  }
  return help;
}

}  // namespace strata
