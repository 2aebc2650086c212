#include "client/connection.h"

#include "grpcpp/create_channel.h"
#include "grpcpp/security/credentials.h"
#include "grpcpp/support/channel_arguments.h"

namespace strata {
namespace {

grpc::ChannelArguments Arguments(bool own_socket) {
  grpc::ChannelArguments arguments;
  arguments.SetServiceConfigJSON(DefaultServiceConfig());
  arguments.SetMaxReceiveMessageSize(-1);  // scores of a long text
  arguments.SetUserAgentPrefix("strata-cli");
  // A dead host is noticed in 40 s; the server allows a ping every 10 s.
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 30'000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 10'000);
  // A restarted server is found again in seconds, not in two minutes.
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 200);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 1'000);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 2'000);
  // A proxy for the web is none for this, least of all to the own host.
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  if (own_socket) arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  return arguments;
}

}  // namespace

const char* DefaultServiceConfig() {
  return R"({
    "loadBalancingConfig": [{"round_robin": {}}],
    "methodConfig": [{
      "name": [{"service": "strata.v1.Generation"}, {"service": "strata.v1.Training"},
               {"service": "strata.v1.Models"}],
      "retryPolicy": {"maxAttempts": 4, "initialBackoff": "0.1s", "maxBackoff": "2s",
                      "backoffMultiplier": 2, "retryableStatusCodes": ["UNAVAILABLE"]}
    }],
    "retryThrottling": {"maxTokens": 10, "tokenRatio": 0.1}
  })";
}

Connection::Connection(const std::string& server, bool own_socket)
    : Connection(grpc::CreateCustomChannel(server, grpc::InsecureChannelCredentials(),
                                           Arguments(own_socket))) {}

Connection::Connection(std::shared_ptr<grpc::Channel> channel)
    : channel_(std::move(channel)),
      generation_(v1::Generation::NewStub(channel_)),
      training_(v1::Training::NewStub(channel_)),
      models_(v1::Models::NewStub(channel_)) {}

}  // namespace strata
