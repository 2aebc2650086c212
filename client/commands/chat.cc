// strata chat: a conversation on the terminal, or line by line through pipes.

#include <unistd.h>

#include <cstdio>
#include <iostream>

#include "client/command.h"
#include "client/generate_stream.h"
#include "client/interrupts.h"
#include "client/output.h"
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

  const bool terminal = isatty(STDIN_FILENO) != 0;
  v1::Messages opening;
  if (system) AddMessage(&opening, "system", *system);
  v1::GenerateRequest request;
  request.set_model(model);
  generation.Apply(&request);
  *request.mutable_messages() = opening;
  std::string line;
  while (true) {
    if (terminal) fputs("> ", stderr);
    if (!std::getline(std::cin, line) || line == "/quit") return absl::OkStatus();
    if (line == "/reset") *request.mutable_messages() = opening;
    if (line.empty() || line == "/reset") continue;
    AddMessage(request.mutable_messages(), "user", line);
    std::string reply;
    const absl::Status status = Answer(*context, generation, request, &reply);
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

}  // namespace strata
