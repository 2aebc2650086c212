// strata score: how likely a text is, item by item.

#include "absl/strings/str_format.h"
#include "client/command.h"
#include "client/json_printer.h"
#include "client/neighbour_args.h"
#include "client/output.h"
#include "client/status.h"
#include "model/base/status_macros.h"

namespace strata {

absl::Status RunScore(CommandContext* context, const std::vector<std::string>& words) {
  v1::ScoreRequest request;
  std::string model;
  std::string file;
  bool json = false;
  ArgParser args("score", "Prints how many bits per byte a model needs for a text.");
  args.Add("model", "M", "NAME, NAME@VERSION or NAME@ALIAS", &model).Require();
  args.Add("file", "F", "the text; - is standard input", &file).Require();
  NeighbourArgs neighbours;
  neighbours.Register(&args);
  args.AddFlag("json", "print the log-probability of every item as JSON", &json);
  bool done = false;
  STRATA_RETURN_IF_ERROR(ParseOrHelp(context, &args, words, &done));
  if (done) return absl::OkStatus();

  request.set_model(model);
  neighbours.Apply(&request);
  STRATA_ASSIGN_OR_RETURN(*request.mutable_text(), ReadInput(file));
  grpc::ClientContext call;
  v1::ScoreResponse response;
  const grpc::Status status = context->connection->generation().Score(&call, request, &response);
  if (!status.ok()) return FromGrpc(status);
  if (json) return WriteLine(JsonLine(response));
  return WriteLine(absl::StrFormat("%s: %d bytes, %.4f bits per byte", response.model(),
                                   response.bytes(), response.bits_per_byte()));
}

}  // namespace strata
