#include "server/rpc/models_service.h"

#include <cstdint>
#include <string>

#include "absl/strings/str_cat.h"
#include "model/base/status_macros.h"
#include "model/document_config.h"
#include "model/model_config.h"
#include "model/presets.h"
#include "server/rpc/convert.h"
#include "server/rpc/unary_call.h"

namespace strata {
namespace {

void AddPreset(const std::string& name, int64_t parameters, const std::string& config,
               v1::ListPresetsResponse* response) {
  v1::Preset* preset = response->add_presets();
  preset->set_name(name);
  preset->set_parameters(parameters);
  preset->set_config(config);
}

}  // namespace

// `name` may carry a version or an alias, which must be there; the answer is the whole
// model.
absl::Status ModelsService::Describe(absl::string_view name,
                                     v1::Model* response) const {
  const absl::string_view model = name.substr(0, name.find('@'));
  if (model.empty()) return FieldError("name", "name is missing; must be a model's name");
  auto info = core_->registry->Get(model);
  if (!info.ok()) return WithResource(info.status(), "model", model);
  if (model.size() < name.size()) {
    STRATA_RETURN_IF_ERROR(
        WithResource(core_->registry->VersionDir(name).status(), "model", name));
  }
  *response = ToProto(*info);
  return absl::OkStatus();
}

grpc::ServerUnaryReactor* ModelsService::ListModels(
    grpc::CallbackServerContext* context, const v1::ListModelsRequest* request,
    v1::ListModelsResponse* response) {
  return RunUnary(core_, context, "ListModels", nullptr, [&]() -> absl::Status {
    STRATA_ASSIGN_OR_RETURN(const int size, PageSize(request->page_size()));
    for (const ModelInfo& info : core_->registry->List()) {
      if (info.name <= request->page_token()) continue;
      if (response->models_size() == size) {
        response->set_next_page_token(response->models(size - 1).name());
        break;
      }
      *response->add_models() = ToProto(info);
    }
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* ModelsService::ListPresets(
    grpc::CallbackServerContext* context, const v1::ListPresetsRequest*,
    v1::ListPresetsResponse* response) {
  return RunUnary(core_, context, "ListPresets", nullptr, [&]() -> absl::Status {
    for (const std::string& name : PresetNames()) {
      STRATA_ASSIGN_OR_RETURN(const ModelConfig config, PresetConfig(name));
      AddPreset(name, ParameterCount(config), ModelConfigToJson(config), response);
    }
    STRATA_ASSIGN_OR_RETURN(const DocumentConfig document,
                            DocumentPreset(kDocumentArchitecture));
    AddPreset(kDocumentArchitecture, ParameterCount(document),
              DocumentConfigToJson(document), response);
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* ModelsService::GetModel(
    grpc::CallbackServerContext* context, const v1::GetModelRequest* request,
    v1::Model* response) {
  return RunUnary(core_, context, "GetModel", nullptr,
                  [&] { return Describe(request->name(), response); });
}

grpc::ServerUnaryReactor* ModelsService::LoadModel(
    grpc::CallbackServerContext* context, const v1::LoadModelRequest* request,
    v1::Model* response) {
  const auto load = [this, request, response]() -> absl::Status {
    STRATA_RETURN_IF_ERROR(core_->state->Admit());
    STRATA_RETURN_IF_ERROR(ValidateVersionName(request->name()));
    STRATA_RETURN_IF_ERROR(
        WithResource(core_->registry->Load(request->name()), "model", request->name()));
    return Describe(request->name(), response);
  };
  return RunUnary(core_, context, "LoadModel", core_->load_pool, load);
}

grpc::ServerUnaryReactor* ModelsService::UnloadModel(
    grpc::CallbackServerContext* context, const v1::UnloadModelRequest* request,
    v1::Model* response) {
  const auto unload = [this, request, response]() -> absl::Status {
    STRATA_RETURN_IF_ERROR(core_->state->Admit());
    STRATA_RETURN_IF_ERROR(ValidateVersionName(request->name()));
    STRATA_RETURN_IF_ERROR(
        WithResource(core_->registry->Unload(request->name()), "model", request->name()));
    return Describe(request->name(), response);
  };
  return RunUnary(core_, context, "UnloadModel", core_->load_pool, unload);
}

grpc::ServerUnaryReactor* ModelsService::SetAlias(
    grpc::CallbackServerContext* context, const v1::SetAliasRequest* request,
    v1::Model* response) {
  const auto set = [this, request, response]() -> absl::Status {
    STRATA_RETURN_IF_ERROR(core_->state->Admit());
    const std::string alias = request->alias().empty() ? kLiveAlias : request->alias();
    STRATA_RETURN_IF_ERROR(ValidateAlias(alias));
    if (request->name().empty()) return FieldError("name", "name is missing");
    if (request->version().empty()) return FieldError("version", "version is missing");
    STRATA_RETURN_IF_ERROR(WithResource(
        core_->registry->SetAlias(request->name(), alias, request->version()),
        "model", absl::StrCat(request->name(), "@", request->version())));
    return Describe(request->name(), response);
  };
  return RunUnary(core_, context, "SetAlias", core_->load_pool, set);
}

}  // namespace strata
