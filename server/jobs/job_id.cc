#include "server/jobs/job_id.h"

#include <nlohmann/json.hpp>
#include <random>

#include "absl/strings/str_format.h"
#include "model/version_dir.h"

namespace strata {

std::string NewUuidV7(int64_t wall_ms) {
  std::random_device device;  // the kernel's, cryptographic
  const auto word = [&] {
    return (uint64_t{device()} << 32) | device();
  };
  const uint64_t time = static_cast<uint64_t>(wall_ms) & 0xFFFFFFFFFFFF;
  const uint64_t a = word() & 0xFFF;
  const uint64_t b = (word() & 0x3FFFFFFFFFFFFFFF) | 0x8000000000000000;
  return absl::StrFormat("%08x-%04x-7%03x-%04x-%012x", time >> 16,
                         time & 0xFFFF, a, b >> 48, b & 0xFFFFFFFFFFFF);
}

std::string SpecHash(const TrainSpec& request) {
  using Json = nlohmann::ordered_json;
  const Json json = Json::parse(TrainSpecToJson(request), nullptr, false);
  const Json defaults = Json::parse(TrainSpecToJson(TrainSpec()), nullptr, false);
  Json said = Json::object();
  for (const auto& [name, value] : json.items()) {
    const auto it = defaults.find(name);
    if (it == defaults.end() || *it != value) said[name] = value;
  }
  return Sha256Hex(said.dump(-1, ' ', false, Json::error_handler_t::replace));
}

}  // namespace strata
