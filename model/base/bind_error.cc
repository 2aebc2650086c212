#include "model/base/bind_error.h"

#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace strata {
namespace {

// Empty: it can be bound after all.
std::string WhyNot(const std::string& host, const std::string& port) {
  addrinfo hints = {};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE;
  addrinfo* found = nullptr;
  const int error = getaddrinfo(host.c_str(), port.c_str(), &hints, &found);
  if (error != 0) return gai_strerror(error);
  std::string why;
  const int fd = socket(found->ai_family, found->ai_socktype, 0);
  const int reuse = 1;  // a port that an ended server left is free
  if (fd >= 0) setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &reuse, sizeof reuse);
  if (fd < 0 || bind(fd, found->ai_addr, found->ai_addrlen) != 0 ||
      listen(fd, 1) != 0) {
    why = std::strerror(errno);
    if (errno == EADDRINUSE) {
      why += ": another process has the port; port 0 takes a free one";
    }
  }
  if (fd >= 0) close(fd);
  freeaddrinfo(found);
  return why;
}

}  // namespace

absl::Status BindError(absl::string_view flag, const std::string& address) {
  const size_t colon = address.rfind(':');
  std::string host = address.substr(0, colon);
  if (host.size() > 2 && host.front() == '[') host = host.substr(1, host.size() - 2);
  const std::string why = WhyNot(
      host, colon == std::string::npos ? "" : address.substr(colon + 1));
  return absl::UnavailableError(absl::StrCat("--", flag, " is ", address,
                                             ", which cannot be bound",
                                             why.empty() ? "" : ": ", why));
}

}  // namespace strata
