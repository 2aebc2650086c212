#pragma once
// HttpServer: GET handlers by exact path over HTTP/1.1 (civetweb): what probes
// and Prometheus call. Handlers run on the server's own few threads, so a slow
// scrape never delays a generation. Thread-safe once started.

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "absl/status/statusor.h"

namespace strata {

struct HttpReply {
  int code = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body;
};

using HttpHandler = std::function<HttpReply()>;

class HttpServer {
 public:
  // `address` HOST:PORT; port 0 picks one. UNAVAILABLE when it cannot be bound.
  // The empty path's handler answers for every other path.
  static absl::StatusOr<std::unique_ptr<HttpServer>> Start(
      const std::string& address, std::map<std::string, HttpHandler> handlers);
  virtual ~HttpServer() = default;  // stops; running handlers finish

  // With the port that was bound.
  virtual const std::string& address() const = 0;
};

// `ready` and `live` answer 200 "ok" or 503; `metrics` is the exposition text.
std::map<std::string, HttpHandler> ProbeHandlers(std::function<bool()> ready,
                                                 std::function<bool()> live,
                                                 std::function<std::string()> metrics);

}  // namespace strata
