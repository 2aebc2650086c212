#include "model/manifest.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/str_cat.h"
#include "model/base/status_macros.h"
#include "model/json_object.h"

namespace strata {
namespace {

using Json = nlohmann::ordered_json;

Json Body(const Manifest& manifest) {
  Json json;
  json["format_version"] = manifest.format_version;
  json["attributes"] = Json::object();
  for (const auto& [name, value] : manifest.attributes) {
    json["attributes"][name] = value;
  }
  json["files"] = Json::array();
  for (const ManifestFile& file : manifest.files) {
    Json out;
    out["name"] = file.name;
    out["bytes"] = file.bytes;
    out["sha256"] = file.sha256;
    json["files"].push_back(std::move(out));
  }
  return json;
}

std::string Dump(const Json& json) {
  return json.dump(2, ' ', false, Json::error_handler_t::replace);
}

absl::Status Lost(absl::string_view what, absl::string_view message) {
  return absl::DataLossError(absl::StrCat(what, ": ", message));
}

}  // namespace

absl::Status CheckManifestName(absl::string_view name) {
  const bool bad = name.empty() || name == "." || name == ".." ||
                   name.find('/') != absl::string_view::npos ||
                   name.find('\0') != absl::string_view::npos ||
                   name == kManifestName;
  if (!bad) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("\"", name, "\" cannot name a file of a version"));
}

std::string ManifestToJson(const Manifest& manifest) {
  Json json = Body(manifest);
  json["self_sha256"] = Sha256Hex(Dump(json));
  return Dump(json) + "\n";
}

absl::StatusOr<Manifest> ParseManifest(absl::string_view json,
                                       absl::string_view dir) {
  const std::string what = absl::StrCat(dir, "/", kManifestName);
  absl::StatusOr<JsonObject> object = JsonObject::Parse(json, what);
  if (!object.ok()) return absl::DataLossError(object.status().message());
  Manifest manifest;
  object->Get("format_version", &manifest.format_version);
  if (object->Has("format_version") && manifest.format_version > 1) {
    return absl::FailedPreconditionError(
        absl::StrCat(what, ": format_version is ", manifest.format_version,
                     "; this program reads 1"));
  }
  object->Get("attributes", &manifest.attributes);
  std::vector<JsonObject> files;
  object->Get("files", &files);
  std::string self;
  object->Get("self_sha256", &self);
  for (JsonObject& entry : files) {
    ManifestFile file;
    entry.Get("name", &file.name);
    entry.Get("bytes", &file.bytes);
    entry.Get("sha256", &file.sha256);
    const absl::Status status = entry.Finish();
    if (!status.ok()) return absl::DataLossError(status.message());
    const absl::Status name = CheckManifestName(file.name);
    if (!name.ok()) return Lost(what, name.message());
    manifest.files.push_back(std::move(file));
  }
  const absl::Status status = object->Finish();
  if (!status.ok()) return absl::DataLossError(status.message());
  if (self != Sha256Hex(Dump(Body(manifest)))) {
    return Lost(what, "does not match its own SHA-256");
  }
  return manifest;
}

}  // namespace strata
