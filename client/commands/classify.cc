// strata classify, strata embed: what a document classifier says of texts.

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/command.h"
#include "client/json_printer.h"
#include "client/output.h"
#include "client/status.h"
#include "model/base/status_macros.h"

namespace strata {
namespace {

constexpr size_t kShownSentences = 3;
constexpr size_t kShownBytes = 72;

// The options of both: a model, and texts from a file or from the line.
struct TextArgs {
  std::string model;
  std::string file;
  std::vector<std::string> texts;
  bool truncate = false;

  void Register(ArgParser* args) {
    args->Add("model", "M", "NAME, NAME@VERSION or NAME@ALIAS", &model).Require();
    args->Add("file", "F", "one text: the whole file; - is standard input", &file);
    args->Add("text", "T", "a text; may be given more than once", &texts);
    args->AddFlag("truncate", "read a text that is too long up to the limit", &truncate);
  }

  // The texts of the command line, then that of the file.
  template <typename Request>
  absl::Status Fill(Request* request) const {
    if (file.empty() && texts.empty()) return UsageError("one of --file and --text is needed");
    request->set_model(model);
    for (const std::string& text : texts) request->add_texts(text);
    if (!file.empty()) {
      STRATA_ASSIGN_OR_RETURN(*request->add_texts(), ReadInput(file));
    }
    if (truncate) request->set_truncate(true);
    return absl::OkStatus();
  }
};

// A piece of a text on one line.
std::string Shown(absl::string_view text) {
  std::string out(text.substr(0, kShownBytes));
  for (char& c : out) {
    if (static_cast<unsigned char>(c) < 0x20) c = ' ';
  }
  while (!out.empty() && out.back() == ' ') out.pop_back();
  return text.size() > kShownBytes ? absl::StrCat(out, "…") : out;
}

// The label, its rivals, and the sentences that weighed most.
absl::Status Print(const v1::Classification& result, const std::string& text) {
  std::vector<const v1::LabelProbability*> labels;
  for (const auto& entry : result.probabilities()) labels.push_back(&entry);
  std::stable_sort(labels.begin(), labels.end(), [](const auto* a, const auto* b) {
    return a->probability() > b->probability();
  });
  std::string line = result.label();
  for (size_t i = 0; i < std::min<size_t>(labels.size(), 5); ++i) {
    absl::StrAppendFormat(&line, "  %s %.4f", labels[i]->label(), labels[i]->probability());
  }
  if (result.truncated()) absl::StrAppend(&line, "  (the text was cut)");
  STRATA_RETURN_IF_ERROR(WriteLine(line));
  std::vector<const v1::SentenceWeight*> sentences;
  for (const auto& entry : result.sentences()) sentences.push_back(&entry);
  std::stable_sort(sentences.begin(), sentences.end(), [](const auto* a, const auto* b) {
    return a->weight() > b->weight();
  });
  for (size_t i = 0; i < std::min(sentences.size(), kShownSentences); ++i) {
    const auto begin = static_cast<size_t>(sentences[i]->begin_byte());
    const auto end = static_cast<size_t>(sentences[i]->end_byte());
    STRATA_RETURN_IF_ERROR(WriteLine(
        absl::StrFormat("  %.4f  %s", sentences[i]->weight(),
                        Shown(absl::string_view(text).substr(begin, end - begin)))));
  }
  return absl::OkStatus();
}

absl::StatusOr<v1::EmbedLevel> LevelOf(const std::string& name) {
  if (name == "document") return v1::EMBED_LEVEL_DOCUMENT;
  if (name == "sentence") return v1::EMBED_LEVEL_SENTENCE;
  return UsageError(absl::StrCat("--level is ", name, "; it is document or sentence"));
}

}  // namespace

absl::Status RunClassify(CommandContext* context, const std::vector<std::string>& words) {
  TextArgs texts;
  bool json = false;
  bool bytes = false;
  ArgParser args("classify",
                 "Prints the label of texts under a document classifier, and the sentences that"
                 "\nweighed most.");
  texts.Register(&args);
  args.AddFlag("bytes", "with --json: also the weight of every byte in its sentence", &bytes);
  args.AddFlag("json", "print the whole answer as JSON", &json);
  bool done = false;
  STRATA_RETURN_IF_ERROR(ParseOrHelp(context, &args, words, &done));
  if (done) return absl::OkStatus();
  v1::ClassifyRequest request;
  STRATA_RETURN_IF_ERROR(texts.Fill(&request));
  if (bytes) request.set_byte_weights(true);
  grpc::ClientContext call;
  v1::ClassifyResponse response;
  const grpc::Status status =
      context->connection->generation().Classify(&call, request, &response);
  if (!status.ok()) return FromGrpc(status);
  if (json) return WriteLine(JsonLine(response));
  for (int i = 0; i < response.results_size(); ++i) {
    STRATA_RETURN_IF_ERROR(Print(response.results(i), request.texts(i)));
  }
  return absl::OkStatus();
}

absl::Status RunEmbed(CommandContext* context, const std::vector<std::string>& words) {
  TextArgs texts;
  std::string level = "document";
  ArgParser args("embed", "Prints vectors of texts, or of their sentences, as JSON.");
  texts.Register(&args);
  args.Add("level", "LEVEL", "document (the default) or sentence", &level);
  bool done = false;
  STRATA_RETURN_IF_ERROR(ParseOrHelp(context, &args, words, &done));
  if (done) return absl::OkStatus();
  v1::EmbedRequest request;
  STRATA_ASSIGN_OR_RETURN(const v1::EmbedLevel chosen, LevelOf(level));
  request.set_level(chosen);
  STRATA_RETURN_IF_ERROR(texts.Fill(&request));
  grpc::ClientContext call;
  v1::EmbedResponse response;
  const grpc::Status status = context->connection->generation().Embed(&call, request, &response);
  if (!status.ok()) return FromGrpc(status);
  return WriteLine(JsonLine(response));
}

}  // namespace strata
