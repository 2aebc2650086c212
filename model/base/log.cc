#include "model/base/log.h"

#include <atomic>
#include <cstdio>
#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace strata {
namespace {

std::atomic<Severity> g_minimum{Severity::kInfo};
std::atomic<bool> g_json{false};

const char* Name(Severity severity) {
  switch (severity) {
    case Severity::kDebug: return "DEBUG";
    case Severity::kInfo: return "INFO";
    case Severity::kWarning: return "WARNING";
    case Severity::kError: return "ERROR";
  }
  return "ERROR";
}

// A JSON string; also used for key=value values that need quotes.
std::string Quoted(absl::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    const auto u = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (u < 0x20 || u == 0x7f) {
      char buffer[8];
      std::snprintf(buffer, sizeof(buffer), "\\u%04x", u);
      out += buffer;
    } else {
      out += c;
    }
  }
  return out + '"';
}

std::string Plain(absl::string_view text) {
  const bool bare =
      !text.empty() && text.find_first_of(" \"=\\\n\r\t") == text.npos;
  return bare ? std::string(text) : Quoted(text);
}

}  // namespace

void SetLogSeverity(Severity minimum) { g_minimum = minimum; }
void SetLogJson(bool json) { g_json = json; }

void Log(Severity severity, absl::string_view message,
         std::initializer_list<LogField> fields) {
  if (severity < g_minimum.load(std::memory_order_relaxed)) return;
  const std::string now = absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", absl::Now(),
                                           absl::UTCTimeZone());
  std::string line;
  if (g_json.load(std::memory_order_relaxed)) {
    line = absl::StrCat("{\"time\":\"", now, "\",\"severity\":\"",
                        Name(severity), "\",\"message\":", Quoted(message));
    for (const LogField& f : fields) {
      absl::StrAppend(&line, ",", Quoted(f.key), ":", Quoted(f.value));
    }
    line += "}\n";
  } else {
    line = absl::StrCat(now, " ", Name(severity), " ", message);
    for (const LogField& f : fields) {
      absl::StrAppend(&line, " ", f.key, "=", Plain(f.value));
    }
    line += "\n";
  }
  std::fwrite(line.data(), 1, line.size(), stderr);  // one write: lines stay whole
}

void CheckFailed(const char* file, int line, const char* what) {
  Log(Severity::kError, "check failed",
      {{"file", file}, {"line", line}, {"condition", what}});
  std::abort();
}

}  // namespace strata
