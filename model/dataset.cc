#include "model/dataset.h"

#include <algorithm>
#include <array>
#include <bit>
#include <filesystem>
#include <functional>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "model/base/status_macros.h"
#include "model/dataset_line.h"
#include "model/document_config.h"
#include "model/json_place.h"
#include "model/line_reader.h"
#include "model/text_scan.h"

namespace strata {
namespace {

constexpr size_t kMaxErrors = 20;
constexpr absl::string_view kBom = "\xEF\xBB\xBF";

// What the documents of a file become; text comes in pieces.
struct Sinks {
  std::function<void(Document)> document;
  std::function<void(absl::string_view)> text;
};

void AddError(DatasetError error, int64_t line, DatasetReport* report) {
  error.line = line;
  ++report->error_count;
  if (report->errors.size() < kMaxErrors) {
    report->errors.push_back(std::move(error));
  }
}

void AddError(absl::string_view code, absl::string_view message, int64_t line,
              int64_t column, DatasetReport* report) {
  DatasetError error;
  error.column = column;
  error.code = std::string(code);
  error.message = std::string(message);
  AddError(std::move(error), line, report);
}

// Adds the document's label to those of the file. False: it is one too many.
bool CountLabel(const Document& document, DatasetReport* report) {
  std::vector<std::string>& labels = report->labels;
  const auto at =
      std::lower_bound(labels.begin(), labels.end(), document.label);
  if (at == labels.end() || *at != document.label) {
    if (static_cast<int64_t>(labels.size()) == kMaxLabels) return false;
    labels.insert(at, document.label);
  }
  ++report->trained_items;
  return true;
}

// The lengths of documents, by powers of two.
class Lengths {
 public:
  void Add(int64_t items) {
    ++counts_[std::bit_width(static_cast<uint64_t>(std::max<int64_t>(items, 1) - 1))];
    ++total_;
  }
  // As DatasetReport::fitting_items.
  int64_t Fitting() const {
    int64_t fit = 0;
    for (size_t bits = 0; bits < counts_.size(); ++bits) {
      fit += counts_[bits];
      if (20 * fit >= 19 * total_) return int64_t{1} << bits;
    }
    return 0;  // never
  }

 private:
  std::array<int64_t, 62> counts_ = {};  // [i]: at most 2^i items
  int64_t total_ = 0;
};

void Count(const Document& document, DatasetReport* report) {
  ++report->documents;
  report->items += document.size();
  report->trained_items += document.TrainedItems();
}

void ScanJsonLine(std::string* line, bool too_long, const Sinks& sinks,
                  DatasetReport* report) {
  const int64_t number = report->lines;
  if (too_long) {
    AddError("line_too_long",
             absl::StrCat("longer than ", kMaxDatasetLine, " bytes"), number,
             kMaxDatasetLine + 1, report);
    return;
  }
  if (!line->empty() && line->back() == '\r') line->pop_back();
  if (number == 1 && absl::StartsWith(*line, kBom)) {
    AddError("bom", "a byte order mark; JSON Lines must not have one", 1, 1,
             report);
    line->erase(0, kBom.size());
  }
  if (absl::StripAsciiWhitespace(*line).empty()) return;
  Document document;
  if (auto fault = ParseDatasetLine(*line, report->kind, &document)) {
    AddError(std::move(*fault), number, report);
    return;
  }
  if (report->kind == TemplateKind::kLabel && !CountLabel(document, report)) {
    AddError("too_many_labels",
             absl::StrCat("\"", document.label, "\" is label number ",
                          kMaxLabels + 1, "; at most ", kMaxLabels,
                          " are allowed"),
             number, JsonPlace(*line, "label") + 1, report);
    return;
  }
  Count(document, report);
  sinks.document(std::move(document));
}

// What a file is, by its first line that is not blank.
struct Detected {
  TemplateKind kind = TemplateKind::kText;  // of blank files too
  DatasetError refused;  // its code is empty where the kind says all
};

absl::StatusOr<Detected> Detect(const std::string& path) {
  STRATA_ASSIGN_OR_RETURN(LineReader reader, LineReader::Open(path));
  Detected detected;
  std::string head;
  bool too_long = false;
  int64_t number = 0;
  do {
    STRATA_ASSIGN_OR_RETURN(const bool more,
                            reader.Next(kMaxDatasetLine, &head, &too_long));
    if (!more) return detected;
    if (++number == 1 && absl::StartsWith(head, kBom)) head.erase(0, kBom.size());
  } while (absl::StripAsciiWhitespace(head).empty());
  detected.kind = DetectKind(head);
  if (detected.kind != TemplateKind::kText || !MayBeginJson(head)) return detected;
  std::string line;
  while (head.size() < kMaxDatasetLine) {
    STRATA_ASSIGN_OR_RETURN(const bool more,
                            reader.Next(kMaxDatasetLine - head.size(), &line,
                                        &too_long));
    if (!more) break;
    absl::StrAppend(&head, "\n", line);
  }
  if (auto fault = FindJsonDocument(head)) {
    detected.refused = *std::move(fault);
    detected.refused.line = number;
  }
  return detected;
}

// A text is one document. A byte order mark is no part of it; line ends are
// kept as they are.
absl::Status ScanText(const std::string& path, const Sinks& sinks,
                      DatasetReport* report) {
  STRATA_ASSIGN_OR_RETURN(ChunkReader reader, ChunkReader::Open(path));
  int64_t line_offset = 0;  // a mark's bytes count in the first line's columns
  TextScan scan([&](int64_t line, int64_t column, absl::string_view code,
                    absl::string_view message) {
    AddError(code, message, line, line == 1 ? column + line_offset : column,
             report);
  });
  int64_t text_bytes = 0;
  while (true) {
    STRATA_ASSIGN_OR_RETURN(absl::string_view piece, reader.Next());
    if (piece.empty()) break;
    if (report->bytes == 0 && absl::ConsumePrefix(&piece, kBom)) {
      line_offset = static_cast<int64_t>(kBom.size());
    }
    text_bytes += static_cast<int64_t>(piece.size());
    report->bytes = text_bytes + line_offset;
    scan.Append(piece);
    if (sinks.text) sinks.text(piece);
  }
  scan.Finish();
  report->lines = scan.lines();
  if (scan.blank() && report->error_count == 0) {
    AddError("empty_text", "the file is empty", 1, 1, report);
    return absl::OkStatus();
  }
  report->documents = 1;
  report->trained_items = text_bytes + 1;     // the text and EOS
  report->items = report->trained_items + 1;  // SOS
  return absl::OkStatus();
}

absl::Status ScanJsonLines(const std::string& path, const Sinks& sinks,
                           DatasetReport* report) {
  STRATA_ASSIGN_OR_RETURN(LineReader reader, LineReader::Open(path));
  std::string line;
  while (true) {
    bool too_long = false;
    STRATA_ASSIGN_OR_RETURN(const bool more,
                            reader.Next(kMaxDatasetLine, &line, &too_long));
    report->bytes = reader.bytes();
    if (!more) return absl::OkStatus();
    ++report->lines;
    ScanJsonLine(&line, too_long, sinks, report);
  }
}

absl::StatusOr<DatasetReport> Scan(const std::string& path,
                                   const Sinks& sinks) {
  DatasetReport report;
  STRATA_ASSIGN_OR_RETURN(const Detected detected, Detect(path));
  report.kind = detected.kind;
  if (!detected.refused.code.empty()) {
    AddError(detected.refused, detected.refused.line, &report);
    return report;
  }
  Lengths lengths;
  Sinks counted = sinks;
  counted.document = [&](Document document) {
    lengths.Add(document.size());
    if (sinks.document) sinks.document(std::move(document));
  };
  const auto scan =
      report.kind == TemplateKind::kText ? ScanText : ScanJsonLines;
  STRATA_RETURN_IF_ERROR(scan(path, counted, &report));
  if (report.kind == TemplateKind::kCompletion ||
      report.kind == TemplateKind::kChat) {
    report.fitting_items = lengths.Fitting();
  }
  if (report.error_count == 0 && report.labels.size() == 1) {
    AddError("one_label",
             absl::StrCat("every line has the label \"", report.labels[0],
                          "\"; at least two labels are needed"),
             1, 1, &report);
  }
  if (report.error_count == 0 && report.trained_items == 0) {
    AddError("zero_trainable_items", "nothing in the file can be learnt", 1, 1,
             &report);
  }
  return report;
}

}  // namespace

absl::StatusOr<DatasetReport> ValidateDataset(const std::string& path) {
  return Scan(path, Sinks());
}

std::string DatasetErrorMessage(const DatasetReport& report) {
  if (report.errors.empty()) return "";
  const DatasetError& first = report.errors.front();
  std::string text = absl::StrCat("line ", first.line);
  if (first.column > 0) absl::StrAppend(&text, ", column ", first.column);
  absl::StrAppend(&text, ": ", first.code, ": ", first.message);
  if (report.error_count > 1) {
    absl::StrAppend(&text, " (and ", report.error_count - 1, " more)");
  }
  return text;
}

absl::StatusOr<Dataset> ReadDataset(const std::string& path) {
  Dataset dataset;
  Document text = TextDocument("", false);
  std::error_code ignored;  // Scan will tell
  const auto bytes = std::filesystem::file_size(path, ignored);
  Sinks sinks;
  sinks.document = [&](Document document) {
    dataset.documents.push_back(std::move(document));
  };
  sinks.text = [&](absl::string_view piece) {
    if (!ignored && text.size() == 1) text.Reserve(static_cast<int64_t>(bytes) + 2);
    text.Append(piece, true);
  };
  STRATA_ASSIGN_OR_RETURN(const DatasetReport report, Scan(path, sinks));
  if (report.error_count > 0) {
    return absl::InvalidArgumentError(DatasetErrorMessage(report));
  }
  dataset.kind = report.kind;
  dataset.labels = report.labels;
  if (report.kind == TemplateKind::kText) {
    text.Append(kEos, true);
    dataset.documents.push_back(std::move(text));
  }
  return dataset;
}

}  // namespace strata
