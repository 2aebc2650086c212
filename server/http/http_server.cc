#include "server/http/http_server.h"

#include <civetweb.h>

#include <chrono>
#include <future>
#include <utility>

#include "absl/strings/str_cat.h"
#include "model/base/bind_error.h"

namespace strata {
namespace {

class CivetHttpServer final : public HttpServer {
 public:
  explicit CivetHttpServer(std::map<std::string, HttpHandler> handlers)
      : handlers_(std::move(handlers)) {
    mg_init_library(0);
  }

  ~CivetHttpServer() override {
    if (context_ != nullptr) Stop();
    mg_exit_library();
  }

  absl::Status Listen(const std::string& address) {
    const char* options[] = {"listening_ports", address.c_str(),
                             "num_threads", "4",
                             "request_timeout_ms", "10000",
                             nullptr};
    const mg_callbacks callbacks = {};
    context_ = mg_start(&callbacks, nullptr, options);
    mg_server_port port = {};
    if (context_ == nullptr || mg_get_server_ports(context_, 1, &port) != 1) {
      return BindError("http", address);
    }
    host_ = address.substr(0, address.rfind(':'));
    port_ = port.port;
    address_ = absl::StrCat(host_, ":", port_);
    mg_set_request_handler(context_, "**", &CivetHttpServer::Serve, this);
    return absl::OkStatus();
  }

  const std::string& address() const override { return address_; }

 private:
  // civetweb's listener looks whether it shall stop when a connection comes, or
  // else every 2 s: it gets connections until it has stopped.
  void Stop() {
    const auto stopped =
        std::async(std::launch::async, [this] { mg_stop(context_); });
    do {
      char why[100];
      mg_connection* knock = mg_connect_client(host_.c_str(), port_, 0, why, sizeof why);
      if (knock != nullptr) mg_close_connection(knock);
    } while (stopped.wait_for(std::chrono::milliseconds(10)) !=
             std::future_status::ready);
  }

  static int Serve(mg_connection* connection, void* self) {
    const mg_request_info* request = mg_get_request_info(connection);
    const bool head = std::string(request->request_method) == "HEAD";
    HttpReply reply;
    if (!head && std::string(request->request_method) != "GET") {
      reply = {405, reply.content_type, "only GET and HEAD are served here\n"};
    } else {
      reply = static_cast<CivetHttpServer*>(self)->Answer(request->local_uri);
    }
    mg_printf(connection,
              "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n"
              "Cache-Control: no-store\r\nConnection: close\r\n\r\n",
              reply.code, mg_get_response_code_text(connection, reply.code),
              reply.content_type.c_str(), reply.body.size());
    if (!head) mg_write(connection, reply.body.data(), reply.body.size());
    return reply.code;
  }

  HttpReply Answer(const std::string& path) const {
    auto it = handlers_.find(path);
    if (it == handlers_.end()) it = handlers_.find("");
    if (it != handlers_.end()) return it->second();
    return {404, HttpReply().content_type, "not found\n"};
  }

  const std::map<std::string, HttpHandler> handlers_;
  mg_context* context_ = nullptr;
  std::string host_;
  int port_ = 0;
  std::string address_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<HttpServer>> HttpServer::Start(
    const std::string& address, std::map<std::string, HttpHandler> handlers) {
  auto server = std::make_unique<CivetHttpServer>(std::move(handlers));
  const absl::Status status = server->Listen(address);
  if (!status.ok()) return status;
  return std::unique_ptr<HttpServer>(std::move(server));
}

std::map<std::string, HttpHandler> ProbeHandlers(std::function<bool()> ready,
                                                 std::function<bool()> live,
                                                 std::function<std::string()> metrics) {
  const auto probe = [](std::function<bool()> check) {
    return [check = std::move(check)] {
      HttpReply reply;
      const bool ok = check();
      reply.code = ok ? 200 : 503;
      reply.body = ok ? "ok\n" : "unavailable\n";
      return reply;
    };
  };
  const auto text = [metrics = std::move(metrics)] {
    return HttpReply{200, "text/plain; version=0.0.4; charset=utf-8", metrics()};
  };
  const auto index = [] {
    return HttpReply{404, HttpReply().content_type, "try /metrics, /livez, /readyz\n"};
  };
  return {{"/livez", probe(std::move(live))},
          {"/readyz", probe(std::move(ready))},
          {"/metrics", text},
          {"", index}};
}

}  // namespace strata
