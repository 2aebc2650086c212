#pragma once
// Structured logs on standard error, one line a record:
//   2026-11-21T08:00:00.000Z INFO server started grpc=127.0.0.1:50051
// and STRATA_CHECK for broken invariants (never for user input).
// Names are prefixed because LibTorch leaks LOG and CHECK. Thread-safe.
//
//   Log(Severity::kInfo, "model loaded", {{"model", name}, {"bytes", n}});

#include <initializer_list>
#include <string>

#include "absl/strings/string_view.h"

namespace strata {

enum class Severity { kDebug, kInfo, kWarning, kError };

struct LogField {
  LogField(absl::string_view k, absl::string_view v) : key(k), value(v) {}
  LogField(absl::string_view k, const std::string& v) : key(k), value(v) {}
  LogField(absl::string_view k, const char* v) : key(k), value(v) {}
  LogField(absl::string_view k, long long v) : key(k), value(std::to_string(v)) {}
  LogField(absl::string_view k, long v) : key(k), value(std::to_string(v)) {}
  LogField(absl::string_view k, int v) : key(k), value(std::to_string(v)) {}
  LogField(absl::string_view k, double v) : key(k), value(std::to_string(v)) {}

  std::string key;
  std::string value;
};

// Records below `minimum` are dropped. Default kInfo.
void SetLogSeverity(Severity minimum);
// Writes JSON objects instead of key=value lines. Default false.
void SetLogJson(bool json);

void Log(Severity severity, absl::string_view message,
         std::initializer_list<LogField> fields = {});

[[noreturn]] void CheckFailed(const char* file, int line, const char* what);

}  // namespace strata

#define STRATA_CHECK(condition)                                   \
  do {                                                            \
    if (!(condition)) {                                           \
      ::strata::CheckFailed(__FILE__, __LINE__, #condition);      \
    }                                                             \
  } while (false)
