// strata tokenize: a text as a model's tokens.

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "client/command.h"
#include "client/json_printer.h"
#include "client/output.h"
#include "client/status.h"
#include "model/base/status_macros.h"

namespace strata {
namespace {

// One token a line, its bytes in quotes. UTF-8 stays as it is.
std::string Lines(const std::string& text, const v1::TokenizeResponse& response) {
  std::string lines;
  size_t at = 0;
  for (int i = 0; i < response.tokens_size(); ++i) {
    const auto size = static_cast<size_t>(response.token_bytes(i));
    absl::StrAppend(&lines, response.tokens(i), "\t\"",
                    absl::Utf8SafeCEscape(text.substr(at, size)), "\"\n");
    at += size;
  }
  return lines;
}

}  // namespace

absl::Status RunTokenize(CommandContext* context, const std::vector<std::string>& words) {
  v1::TokenizeRequest request;
  std::string model, text, file;
  bool json = false;
  ArgParser args("tokenize", "Prints the tokens that a model makes of a text, one a line.");
  args.Add("model", "M", "NAME, NAME@VERSION or NAME@ALIAS", &model).Require();
  args.Add("text", "T", "the text", &text);
  args.Add("file", "F", "the text in a file; - is standard input", &file);
  args.AddFlag("json", "print numbers and lengths as JSON", &json);
  bool done = false;
  STRATA_RETURN_IF_ERROR(ParseOrHelp(context, &args, words, &done));
  if (done) return absl::OkStatus();
  if (text.empty() == file.empty()) {
    return UsageError("strata tokenize needs one of --text T and --file F");
  }
  if (!file.empty()) {
    STRATA_ASSIGN_OR_RETURN(text, ReadInput(file));
  }
  request.set_model(model);
  request.set_text(text);
  grpc::ClientContext call;
  v1::TokenizeResponse response;
  const grpc::Status status =
      context->connection->generation().Tokenize(&call, request, &response);
  if (!status.ok()) return FromGrpc(status);
  return json ? WriteLine(JsonLine(response)) : WriteOut(Lines(text, response));
}

}  // namespace strata
