// strata inspect: what each level of a model attended to while it read a text.

#include "absl/strings/str_cat.h"
#include "client/command.h"
#include "client/inspect/picture.h"
#include "client/inspect/summary.h"
#include "client/json_printer.h"
#include "client/output.h"
#include "client/status.h"
#include "model/base/status_macros.h"

namespace strata {
namespace {

struct InspectArgs {
  std::string model;
  std::string file;
  std::optional<std::string> text;
  std::string svg;
  std::vector<int64_t> levels;
  std::vector<int64_t> layers;
  std::vector<int64_t> heads;
  std::optional<int64_t> top;
  bool json = false;

  void Register(ArgParser* args) {
    args->Add("model", "M", "NAME, NAME@VERSION or NAME@ALIAS", &model).Require();
    args->Add("text", "T", "the text", &text);
    args->Add("file", "F", "the text: the whole file; - is standard input", &file);
    args->Add("svg", "FILE", "also draw it, for a browser; of several layers the last", &svg);
    args->Add("level", "N", "0 is that of the bytes; more than once; default: all",
              &levels);
    args->Add("layer", "N",
              "of each stack but a bridge, -1 the last; more than once; default: -1", &layers);
    args->Add("head", "N", "more than once; default: all", &heads);
    args->Add("top", "K", "keys of each position, [1, 64]; default: 4", &top);
    args->AddFlag("json", "print the whole answer as JSON", &json);
  }

  absl::Status Fill(v1::InspectRequest* request) const {
    if (file.empty() == !text.has_value()) {
      return UsageError("one of --text and --file is needed");
    }
    request->set_model(model);
    if (text.has_value()) {
      request->set_text(*text);
    } else {
      STRATA_ASSIGN_OR_RETURN(*request->mutable_text(), ReadInput(file));
    }
    STRATA_RETURN_IF_ERROR(AddAll("--level", levels, request->mutable_levels()));
    STRATA_RETURN_IF_ERROR(AddAll("--layer", layers, request->mutable_layers()));
    STRATA_RETURN_IF_ERROR(AddAll("--head", heads, request->mutable_heads()));
    if (!top.has_value()) return absl::OkStatus();
    STRATA_RETURN_IF_ERROR(CheckNumber("--top", *top));
    request->set_top_k(static_cast<int32_t>(*top));
    return absl::OkStatus();
  }

 private:
  // The server says what it allows; a field holds 32 bits.
  static absl::Status CheckNumber(const char* name, int64_t value) {
    if (value == static_cast<int32_t>(value)) return absl::OkStatus();
    return UsageError(absl::StrCat(name, " is ", value, "; it is out of range"));
  }

  static absl::Status AddAll(const char* name, const std::vector<int64_t>& values,
                             google::protobuf::RepeatedField<int32_t>* field) {
    for (const int64_t value : values) {
      STRATA_RETURN_IF_ERROR(CheckNumber(name, value));
      field->Add(static_cast<int32_t>(value));
    }
    return absl::OkStatus();
  }
};

}  // namespace

absl::Status RunInspect(CommandContext* context, const std::vector<std::string>& words) {
  InspectArgs inspect;
  ArgParser args("inspect",
                 "Prints how much each byte of a text surprised a model, and what each level"
                 "\nattended to: the strongest links with the text that they join.");
  inspect.Register(&args);
  bool done = false;
  STRATA_RETURN_IF_ERROR(ParseOrHelp(context, &args, words, &done));
  if (done) return absl::OkStatus();
  v1::InspectRequest request;
  STRATA_RETURN_IF_ERROR(inspect.Fill(&request));
  grpc::ClientContext call;
  v1::InspectResponse response;
  const grpc::Status status = context->connection->generation().Inspect(&call, request, &response);
  if (!status.ok()) return FromGrpc(status);
  if (!inspect.svg.empty()) {
    STRATA_RETURN_IF_ERROR(WriteFile(inspect.svg, InspectionSvg(request.text(), response)));
  }
  if (inspect.json) return WriteLine(JsonLine(response));
  return WriteOut(InspectionSummary(request.text(), response));
}

}  // namespace strata
