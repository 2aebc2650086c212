#pragma once
// Training data: four formats, validated whole before a job exists.
//
//   chat        JSONL  {"messages": [{"role", "content"}, …]}
//   completion  JSONL  {"prompt": …, "completion": …}
//   label       JSONL  {"text": …, "label": …}, both strings; two labels or more
//   text        anything else that is UTF-8
//
// Detection: a first non-blank line that begins as a JSON object decides for
// JSONL (also where it is broken: a damaged file is refused, not learnt as
// text). A file that begins with a JSON object of several lines, or with a JSON
// array of objects, is refused: it is data that is not one object a line. A byte
// order mark is stripped from text and an error in JSONL; CRLF is
// kept in text and ends a line of JSONL. A text is one document.
// Thread-safe: functions of their input.

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "model/chat_template.h"

namespace strata {

// Bytes of a line of JSONL, which is held whole; parsing one took up to 90 times as
// much (an array of empty objects). A line of text may have any length.
inline constexpr int64_t kMaxDatasetLine = int64_t{2} << 20;

// A fault of a member stands where its value begins, of a missing one where the
// object begins that lacks it, of the whole file at its start.
struct DatasetError {
  int64_t line = 0;    // from 1
  int64_t column = 0;  // bytes, from 1
  std::string code;    // not_utf8, bad_json, missing_field, wrong_type, …
  std::string message;
};

struct DatasetReport {
  TemplateKind kind = TemplateKind::kText;
  int64_t bytes = 0;
  int64_t lines = 0;
  int64_t documents = 0;
  int64_t items = 0;
  int64_t trained_items = 0;  // of kLabel: labels, one a document
  // Of kCompletion and kChat: the smallest power of two that 19 of 20 documents
  // do not exceed in items. Else 0.
  int64_t fitting_items = 0;
  std::vector<std::string> labels;  // sorted, distinct; of kLabel alone
  int64_t error_count = 0;
  std::vector<DatasetError> errors;  // the first 20
};

struct Dataset {
  TemplateKind kind = TemplateKind::kText;
  std::vector<std::string> labels;  // as DatasetReport's
  std::vector<Document> documents;
};

// Reads and validates; bounded memory (a line of JSONL at a time, 64 KiB of text
// at a time, of what begins as JSON its first kMaxDatasetLine). A report
// with error_count > 0 means refused. NOT_FOUND / INTERNAL only for I/O.
absl::StatusOr<DatasetReport> ValidateDataset(const std::string& path);

// "line 3, column 14: bad_json: …" (and how many more).
std::string DatasetErrorMessage(const DatasetReport& report);

// REQUIRES a file that ValidateDataset accepted; else INVALID_ARGUMENT. Holds two
// bytes for each of the file, of JSONL some fifty more a document.
absl::StatusOr<Dataset> ReadDataset(const std::string& path);

}  // namespace strata
