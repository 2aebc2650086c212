#include "server/rpc/generation_service.h"

#include "model/base/status_macros.h"
#include "server/rpc/classify.h"
#include "server/rpc/compute_call.h"
#include "server/rpc/convert.h"
#include "server/rpc/generate_stream.h"
#include "server/rpc/inspect.h"
#include "server/rpc/score_call.h"
#include "server/rpc/tokenize.h"
#include "server/rpc/unary_call.h"

namespace strata {

grpc::ServerWriteReactor<v1::GenerateResponse>* GenerationService::Generate(
    grpc::CallbackServerContext* context, const v1::GenerateRequest* request) {
  auto stream = std::make_shared<GenerateStream>(core_, context);
  stream->Start(core_->streams, core_->calls);
  stream->Submit(*request);
  return stream.get();
}

grpc::ServerUnaryReactor* GenerationService::Score(
    grpc::CallbackServerContext* context, const v1::ScoreRequest* request,
    v1::ScoreResponse* response) {
  auto call = std::make_shared<ScoreCall>(core_, context, response);
  call->Start(*request);
  return call.get();
}

grpc::ServerUnaryReactor* GenerationService::Classify(
    grpc::CallbackServerContext* context, const v1::ClassifyRequest* request,
    v1::ClassifyResponse* response) {
  auto call = std::make_shared<ComputeCall<v1::ClassifyResponse>>(
      core_, context, "Classify", response);
  call->Start([&] {
    return PrepareClassify(*request, *core_->registry,
                           core_->max_message_bytes);
  });
  return call.get();
}

grpc::ServerUnaryReactor* GenerationService::Embed(
    grpc::CallbackServerContext* context, const v1::EmbedRequest* request,
    v1::EmbedResponse* response) {
  auto call = std::make_shared<ComputeCall<v1::EmbedResponse>>(
      core_, context, "Embed", response);
  call->Start([&] {
    return PrepareEmbed(*request, *core_->registry, core_->max_message_bytes);
  });
  return call.get();
}

grpc::ServerUnaryReactor* GenerationService::Inspect(
    grpc::CallbackServerContext* context, const v1::InspectRequest* request,
    v1::InspectResponse* response) {
  auto call = std::make_shared<ComputeCall<v1::InspectResponse>>(
      core_, context, "Inspect", response);
  call->Start([&] {
    return PrepareInspect(
        *request, *core_->registry,
        {core_->inspect_max_bytes, core_->max_message_bytes}, core_->inspectors);
  });
  return call.get();
}

grpc::ServerUnaryReactor* GenerationService::Tokenize(
    grpc::CallbackServerContext* context, const v1::TokenizeRequest* request,
    v1::TokenizeResponse* response) {
  auto call = std::make_shared<ComputeCall<v1::TokenizeResponse>>(
      core_, context, "Tokenize", response);
  call->Start([&] { return PrepareTokenize(*request, *core_->registry); });
  return call.get();
}

grpc::ServerUnaryReactor* GenerationService::Cancel(
    grpc::CallbackServerContext* context, const v1::CancelRequest* request,
    v1::CancelResponse*) {
  return RunUnary(core_, context, "Cancel", /*pool=*/nullptr, [&]() -> absl::Status {
    if (request->request_id().empty()) {
      return FieldError("request_id", "request_id is missing");
    }
    STRATA_RETURN_IF_ERROR(ValidateRequestId(request->request_id()));
    return WithResource(core_->engine->Cancel(request->request_id()), "request",
                        request->request_id());
  });
}

}  // namespace strata
