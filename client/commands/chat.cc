// strata chat: a conversation on the terminal, or line by line through pipes.

#include <unistd.h>

#include <cstdio>
#include <iostream>

#include "absl/strings/str_cat.h"
#include "client/command.h"
#include "client/generate_stream.h"
#include "client/interrupts.h"
#include "client/output.h"
#include "client/status.h"
#include "model/base/status_macros.h"

namespace strata {
namespace {

void AddMessage(v1::Messages* messages, const char* role, std::string content) {
  v1::Message* message = messages->add_messages();
  message->set_role(role);
  message->set_content(std::move(content));
}

// Streams the answer to `request` to standard output and returns it in `reply`.
// Ctrl-C ends the answer, not the conversation.
absl::Status Answer(const CommandContext& context, const GenerationArgs& generation,
                    const v1::GenerateRequest& request, std::string* reply) {
  grpc::ClientContext call;
  generation.ApplyDeadline(&call);
  bool interrupted = false;
  absl::Status status;
  {
    ScopedInterruptHandler handler([&] {
      interrupted = true;
      call.TryCancel();
    });
    status = StreamGenerate(context.connection.get(), &call, request,
                            [&](const v1::GenerateResponse& event) {
                              reply->append(event.delta().text());
                              return event.has_delta() ? WriteOut(event.delta().data())
                                                       : absl::OkStatus();
                            });
  }
  if (status.ok() || !reply->empty()) STRATA_RETURN_IF_ERROR(WriteOut("\n"));
  return interrupted ? absl::OkStatus() : status;
}

// Whether `model` is there and takes conversations: what the server would say
// only after the first line was typed.
absl::Status CheckModel(const CommandContext& context, const std::string& model) {
  const size_t at = model.find('@');
  v1::GetModelRequest request;
  request.set_name(model.substr(0, at));
  grpc::ClientContext call;
  v1::Model found;
  const grpc::Status status = context.connection->models().GetModel(&call, request, &found);
  if (!status.ok()) return FromGrpc(status);
  const std::string reference = at == std::string::npos ? "live" : model.substr(at + 1);
  const auto alias = found.aliases().find(reference);
  const std::string& wanted = alias == found.aliases().end() ? reference : alias->second;
  for (const v1::ModelVersion& version : found.versions()) {
    if (version.version() != wanted) continue;
    if (version.template_() != "text") return absl::OkStatus();
    return absl::FailedPreconditionError(absl::StrCat(
        found.name(), "@", wanted,
        " was trained on plain text, not on conversations; strata generate continues a prompt"));
  }
  return absl::NotFoundError(absl::StrCat("model ", found.name(), " has no version or alias \"",
                                          reference, "\"; see strata models"));
}

// Reads lines and answers them, to the end of the input.
absl::Status Converse(const CommandContext& context, const GenerationArgs& generation,
                      v1::GenerateRequest request) {
  const bool terminal = isatty(STDIN_FILENO) != 0;
  const v1::Messages opening = request.messages();
  std::string line;
  if (terminal) fputs("/reset begins anew, /quit or Ctrl-D ends.\n", stderr);
  while (true) {
    if (terminal) fputs("> ", stderr);
    if (!std::getline(std::cin, line)) {
      if (terminal) fputs("\n", stderr);
      return absl::OkStatus();
    }
    if (line == "/quit") return absl::OkStatus();
    if (line == "/reset") *request.mutable_messages() = opening;
    if (line.empty() || line == "/reset") continue;
    AddMessage(request.mutable_messages(), "user", line);
    std::string reply;
    const absl::Status status = Answer(context, generation, request, &reply);
    if (status.ok()) {
      AddMessage(request.mutable_messages(), "assistant", reply);
      continue;
    }
    if (!terminal) return status;
    // The unanswered message goes, so that the next one may be tried.
    request.mutable_messages()->mutable_messages()->RemoveLast();
    fprintf(stderr, "error: %s\n", std::string(status.message()).c_str());
  }
}

}  // namespace

absl::Status RunChat(CommandContext* context, const std::vector<std::string>& words) {
  std::string model;
  std::optional<std::string> system;
  GenerationArgs generation;
  ArgParser args("chat",
                 "Talks with a model that was trained on conversations. One line is one message;\n"
                 "/reset begins anew, Ctrl-C ends an answer, Ctrl-D or /quit the conversation.");
  args.Add("model", "M", "NAME, NAME@VERSION or NAME@ALIAS", &model).Require();
  args.Add("system", "TEXT", "the system message that the conversation begins with", &system);
  generation.Register(&args);
  bool done = false;
  STRATA_RETURN_IF_ERROR(ParseOrHelp(context, &args, words, &done));
  if (done) return absl::OkStatus();

  STRATA_RETURN_IF_ERROR(CheckModel(*context, model));
  v1::GenerateRequest request;
  request.set_model(model);
  generation.Apply(&request);
  request.mutable_messages();
  if (system) AddMessage(request.mutable_messages(), "system", *system);
  return Converse(*context, generation, std::move(request));
}

}  // namespace strata
