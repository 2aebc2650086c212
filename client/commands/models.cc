// strata models: list, get, load, unload, alias, presets.

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/command.h"
#include "client/json_printer.h"
#include "client/output.h"
#include "client/status.h"
#include "model/base/status_macros.h"

namespace strata {
namespace {

using Rows = std::vector<std::vector<std::string>>;

Rows Heading() {
  return {{"MODEL", "STATE", "ALIASES", "ARCHITECTURE", "PARAMETERS", "CONTEXT", "TEMPLATE",
           "TOKENIZER", "EXECUTOR"}};
}

// "bpe (532)", its tokens in brackets; a classifier's is empty.
std::string TokenizerOf(const v1::ModelVersion& version) {
  if (version.tokenizer().empty()) return "";
  return absl::StrCat(version.tokenizer(), " (", version.vocabulary(), ")");
}

void AddRows(const v1::Model& model, Rows* rows) {
  for (const v1::ModelVersion& version : model.versions()) {
    std::vector<std::string> aliases;
    for (const auto& [alias, target] : model.aliases()) {
      if (target == version.version()) aliases.push_back(alias);
    }
    std::sort(aliases.begin(), aliases.end());
    std::string state = EnumName(*v1::VersionState_descriptor(), version.state());
    if (!version.error().empty()) absl::StrAppend(&state, " (", version.error(), ")");
    rows->push_back({absl::StrCat(model.name(), "@", version.version()), state,
                     absl::StrJoin(aliases, ","), version.architecture(),
                     HumanCount(static_cast<double>(version.parameters())),
                     absl::StrCat(version.max_context()), version.template_(),
                     TokenizerOf(version), version.executor()});
  }
}

absl::Status Print(const grpc::Status& status, const v1::Model& model, bool json) {
  if (!status.ok()) return FromGrpc(status);
  if (json) return WriteLine(JsonLine(model));
  Rows rows = Heading();
  AddRows(model, &rows);
  return WriteOut(FormatTable(rows));
}

absl::Status ListModels(const CommandContext& context, bool json) {
  Rows rows = Heading();
  v1::ListModelsRequest request;
  request.set_page_size(1000);
  do {
    grpc::ClientContext call;
    v1::ListModelsResponse page;
    const grpc::Status status = context.connection->models().ListModels(&call, request, &page);
    if (!status.ok()) return FromGrpc(status);
    for (const v1::Model& model : page.models()) {
      if (json) STRATA_RETURN_IF_ERROR(WriteLine(JsonLine(model)));
      AddRows(model, &rows);
    }
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty());
  return json ? absl::OkStatus() : WriteOut(FormatTable(rows));
}

absl::Status GetModel(const CommandContext& context, const std::string& name, bool json) {
  v1::GetModelRequest request;
  request.set_name(name);
  grpc::ClientContext call;
  v1::Model model;
  const grpc::Status status = context.connection->models().GetModel(&call, request, &model);
  return Print(status, model, json);
}

absl::Status Load(const CommandContext& context, const std::string& name, bool json) {
  v1::LoadModelRequest request;
  request.set_name(name);
  grpc::ClientContext call;
  v1::Model model;
  const grpc::Status status = context.connection->models().LoadModel(&call, request, &model);
  return Print(status, model, json);
}

absl::Status Unload(const CommandContext& context, const std::string& name, bool json) {
  v1::UnloadModelRequest request;
  request.set_name(name);
  grpc::ClientContext call;
  v1::Model model;
  const grpc::Status status = context.connection->models().UnloadModel(&call, request, &model);
  return Print(status, model, json);
}

// `words` is [ALIAS,] VERSION; the server's default is the alias `live`.
absl::Status Alias(const CommandContext& context, const std::string& name,
                   const std::vector<std::string>& words, bool json) {
  if (words.empty()) {
    return UsageError("strata models alias needs a version: alias NAME [ALIAS] VERSION");
  }
  v1::SetAliasRequest request;
  request.set_name(name);
  if (words.size() == 2) request.set_alias(words[0]);
  request.set_version(words.back());
  grpc::ClientContext call;
  v1::Model model;
  const grpc::Status status = context.connection->models().SetAlias(&call, request, &model);
  return Print(status, model, json);
}

// Of all presets name and size; of one the config, which strata train --config takes.
absl::Status Presets(const CommandContext& context, const std::string& name, bool json) {
  grpc::ClientContext call;
  v1::ListPresetsResponse response;
  const grpc::Status status =
      context.connection->models().ListPresets(&call, v1::ListPresetsRequest(), &response);
  if (!status.ok()) return FromGrpc(status);
  Rows rows = {{"PRESET", "PARAMETERS"}};
  for (const v1::Preset& preset : response.presets()) {
    if (!name.empty() && preset.name() != name) continue;
    if (json) {
      STRATA_RETURN_IF_ERROR(WriteLine(JsonLine(preset)));
    } else if (!name.empty()) {
      STRATA_RETURN_IF_ERROR(WriteOut(preset.config()));
    }
    rows.push_back({preset.name(), HumanCount(static_cast<double>(preset.parameters()))});
  }
  if (rows.size() == 1) {
    return absl::NotFoundError(absl::StrCat("no preset \"", name, "\"; see strata models presets"));
  }
  return json || !name.empty() ? absl::OkStatus() : WriteOut(FormatTable(rows));
}

}  // namespace

absl::Status RunModels(CommandContext* context, const std::vector<std::string>& words) {
  std::string action = "list";
  std::string name;
  std::string first, second;
  bool json = false;
  ArgParser args("models",
                 "Lists what is served; or\n"
                 "  get NAME                      shows one model\n"
                 "  load NAME@VERSION             loads a version from the repository\n"
                 "  unload NAME@VERSION           lets it finish what runs, then frees it\n"
                 "  alias NAME [ALIAS] VERSION    points an alias, `live` by default, at a "
                 "version;\n"
                 "                                plain NAME means NAME@live\n"
                 "  presets [NAME]                lists what strata train knows by name, or prints "
                 "a config");
  args.AddWord("ACTION", "list (the default), get, load, unload, alias or presets", &action);
  args.AddWord("NAME", "the model, as above", &name);
  args.AddWord("ALIAS", "of alias alone", &first);
  args.AddWord("VERSION", "of alias alone", &second);
  args.AddFlag("json", "print models as lines of JSON", &json);
  bool done = false;
  STRATA_RETURN_IF_ERROR(ParseOrHelp(context, &args, words, &done));
  if (done) return absl::OkStatus();
  if (action == "list" && name.empty()) return ListModels(*context, json);
  if (action == "presets" && first.empty()) return Presets(*context, name, json);
  if (action != "get" && action != "load" && action != "unload" && action != "alias") {
    return UsageError(absl::StrCat("strata models ", action,
                                   " is not known; it is list, get, load, unload, alias or presets"));
  }
  if (name.empty()) return UsageError(absl::StrCat("strata models ", action, " needs a NAME"));
  std::vector<std::string> rest;
  if (!first.empty()) rest.push_back(first);
  if (!second.empty()) rest.push_back(second);
  if (action == "alias") return Alias(*context, name, rest, json);
  if (!rest.empty()) {
    return UsageError(absl::StrCat("strata models ", action, " takes one NAME alone"));
  }
  if (action == "get") return GetModel(*context, name, json);
  return action == "load" ? Load(*context, name, json) : Unload(*context, name, json);
}

}  // namespace strata
