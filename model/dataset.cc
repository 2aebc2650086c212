#include "model/dataset.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <functional>
#include <memory>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "model/base/status_macros.h"
#include "model/base/utf8.h"
#include "model/dataset_line.h"
#include "model/document_config.h"
#include "model/file_io.h"
#include "model/json_place.h"
#include "model/version_dir.h"

namespace strata {
namespace {

constexpr size_t kMaxErrors = 20;
constexpr size_t kMaxLine = size_t{64} << 20;  // of JSONL
constexpr absl::string_view kBom = "\xEF\xBB\xBF";

using DocumentSink = std::function<void(Document)>;

// Lines of a file, without their newline; memory bounded by the longest line
// allowed.
class LineReader {
 public:
  static absl::StatusOr<LineReader> Open(const std::string& path) {
    std::FILE* file = std::fopen(path.c_str(), "rbe");
    if (file == nullptr) return ErrnoStatus(errno, "open", path);
    return LineReader(path, file);
  }

  // False at the end. A longer line is cut and `too_long` set.
  absl::StatusOr<bool> Next(size_t limit, std::string* line, bool* too_long) {
    line->clear();
    *too_long = false;
    ended_with_newline_ = false;
    bool any = false;
    while (true) {
      if (at_ == buffer_.size()) STRATA_RETURN_IF_ERROR(Fill());
      if (buffer_.empty()) return any;
      any = true;
      const size_t end = buffer_.find('\n', at_);
      const size_t stop = end == std::string::npos ? buffer_.size() : end;
      const size_t room = limit - line->size();
      *too_long = *too_long || stop - at_ > room;
      line->append(buffer_, at_, std::min(stop - at_, room));
      at_ = end == std::string::npos ? stop : end + 1;
      ended_with_newline_ = end != std::string::npos;
      if (ended_with_newline_) return true;
    }
  }
  bool ended_with_newline() const { return ended_with_newline_; }

 private:
  LineReader(std::string path, std::FILE* file)
      : path_(std::move(path)), file_(file, std::fclose) {}

  absl::Status Fill() {
    buffer_.resize(1 << 16);
    buffer_.resize(std::fread(buffer_.data(), 1, buffer_.size(), file_.get()));
    at_ = 0;
    if (!std::ferror(file_.get())) return absl::OkStatus();
    return ErrnoStatus(errno, "read", path_);
  }

  std::string path_;
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> file_;
  std::string buffer_;
  size_t at_ = 0;
  bool ended_with_newline_ = false;
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

void Count(const Document& document, DatasetReport* report) {
  ++report->documents;
  report->items += document.size();
  report->trained_items += document.TrainedItems();
}

void ScanJsonLine(std::string* line, bool too_long, const DocumentSink& sink,
                  DatasetReport* report) {
  const int64_t number = report->lines;
  if (too_long) {
    AddError("line_too_long", absl::StrCat("longer than ", kMaxLine, " bytes"),
             number, kMaxLine + 1, report);
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
  if (sink) sink(std::move(document));
}

// One finding a line: a binary file would otherwise drown the report.
void ScanTextLine(absl::string_view line, DatasetReport* report) {
  const size_t nul = line.find('\0');
  const size_t invalid = FindInvalidUtf8(line);
  if (nul != absl::string_view::npos && nul < invalid) {
    AddError("nul_byte", "a NUL byte; this is not text", report->lines,
             static_cast<int64_t>(nul) + 1, report);
  } else if (invalid != absl::string_view::npos) {
    AddError("not_utf8", "not valid UTF-8", report->lines,
             static_cast<int64_t>(invalid) + 1, report);
  }
}

// The kind, from the first line that is not blank; blank files are text.
absl::StatusOr<TemplateKind> Detect(const std::string& path) {
  STRATA_ASSIGN_OR_RETURN(LineReader reader, LineReader::Open(path));
  std::string line;
  bool too_long = false;
  bool first = true;
  while (true) {
    STRATA_ASSIGN_OR_RETURN(const bool more,
                            reader.Next(kMaxLine, &line, &too_long));
    if (!more) return TemplateKind::kText;
    if (first && absl::StartsWith(line, kBom)) line.erase(0, kBom.size());
    first = false;
    if (!absl::StripAsciiWhitespace(line).empty()) return DetectKind(line);
  }
}

// A text is one document. A byte order mark is no part of it; line ends are
// kept as they are.
absl::Status ScanText(LineReader* reader, DatasetReport* report) {
  std::string line;
  bool blank = true;
  int64_t mark = 0;
  while (true) {
    bool too_long = false;
    STRATA_ASSIGN_OR_RETURN(const bool more, reader->Next(std::string::npos,
                                                          &line, &too_long));
    if (!more) break;
    ++report->lines;
    report->bytes += static_cast<int64_t>(line.size()) +
                     (reader->ended_with_newline() ? 1 : 0);
    ScanTextLine(line, report);
    if (report->lines == 1 && absl::StartsWith(line, kBom)) {
      mark = static_cast<int64_t>(kBom.size());
      line.erase(0, kBom.size());
    }
    blank = blank && absl::StripAsciiWhitespace(line).empty();
  }
  if (blank && report->error_count == 0) {
    AddError("empty_text", "the file is empty", 1, 1, report);
    return absl::OkStatus();
  }
  report->documents = 1;
  report->trained_items = report->bytes - mark + 1;  // the text and EOS
  report->items = report->trained_items + 1;         // SOS
  return absl::OkStatus();
}

absl::Status ScanJsonLines(LineReader* reader, const DocumentSink& sink,
                           DatasetReport* report) {
  std::string line;
  while (true) {
    bool too_long = false;
    STRATA_ASSIGN_OR_RETURN(const bool more,
                            reader->Next(kMaxLine, &line, &too_long));
    if (!more) return absl::OkStatus();
    ++report->lines;
    report->bytes += static_cast<int64_t>(line.size()) +
                     (reader->ended_with_newline() ? 1 : 0);
    ScanJsonLine(&line, too_long, sink, report);
  }
}

absl::StatusOr<DatasetReport> Scan(const std::string& path,
                                   const DocumentSink& sink) {
  DatasetReport report;
  STRATA_ASSIGN_OR_RETURN(report.kind, Detect(path));
  STRATA_ASSIGN_OR_RETURN(LineReader reader, LineReader::Open(path));
  STRATA_RETURN_IF_ERROR(report.kind == TemplateKind::kText
                             ? ScanText(&reader, &report)
                             : ScanJsonLines(&reader, sink, &report));
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
  return Scan(path, nullptr);
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
  STRATA_ASSIGN_OR_RETURN(const DatasetReport report,
                          Scan(path, [&](Document document) {
                            dataset.documents.push_back(std::move(document));
                          }));
  if (report.error_count > 0) {
    return absl::InvalidArgumentError(DatasetErrorMessage(report));
  }
  dataset.kind = report.kind;
  dataset.labels = report.labels;
  if (report.kind == TemplateKind::kText) {
    STRATA_ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
    absl::string_view body = text;
    if (absl::StartsWith(body, kBom)) body.remove_prefix(kBom.size());
    dataset.documents.push_back(TextDocument(body, true));
  }
  return dataset;
}

}  // namespace strata
