#pragma once
// Between the public messages and the plain structs of the rows below, with all
// validation of what a client may send. Errors are INVALID_ARGUMENT naming the
// field. Pure functions but for ToEngineRequest, which resolves the model.

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/engine/request.h"
#include "server/jobs/dataset_store.h"
#include "server/jobs/job.h"
#include "server/registry/registry.h"
#include "strata/v1/generation.pb.h"
#include "strata/v1/models.pb.h"
#include "strata/v1/training.pb.h"

namespace strata {

inline constexpr int64_t kDefaultMaxTokens = 256;

// The status of a rule below this layer, whose sentence begins with the field.
absl::Status AsFieldError(const absl::Status& status, absl::string_view parent = "");

// generation.proto. The results lack sink, arrival and deadline.
absl::StatusOr<EngineRequest> ToEngineRequest(const v1::GenerateRequest& request,
                                              const ModelRegistry& registry);
absl::StatusOr<EngineRequest> ToEngineRequest(const v1::ScoreRequest& request,
                                              const ModelRegistry& registry);
v1::Accepted ToAccepted(const EngineRequest& request, int64_t queue_position);
v1::Finished ToProto(const FinishInfo& info);
// Resolve, with the details of the status table (ResourceInfo, MODEL_LOADING).
absl::StatusOr<std::shared_ptr<const ServedVersion>> ResolveModel(
    const ModelRegistry& registry, absl::string_view name);
// The same of one that generates: NOT_A_GENERATOR.
absl::StatusOr<std::shared_ptr<const ServedVersion>> ResolveGenerator(
    const ModelRegistry& registry, absl::string_view name);
// Empty is fine: the server draws one.
absl::Status ValidateRequestId(absl::string_view id);
std::string RandomId();

// models.proto
v1::Model ToProto(const ModelInfo& info);
absl::Status ValidateVersionName(absl::string_view name);  // NAME@VERSION
absl::Status ValidateAlias(absl::string_view alias);

// training.proto
absl::StatusOr<TrainSpec> FromProto(const v1::TrainSpec& spec);
v1::TrainSpec ToProto(const TrainSpec& spec);
v1::Job ToProto(const JobRecord& job);
v1::JobEvent ToProto(const JobEvent& event);
v1::Dataset ToProto(const StoredDataset& dataset);
v1::Tokenizer ToProto(const StoredTokenizer& stored, const Tokenizer& tokenizer);
v1::JobState ToProto(JobState state);
absl::Status DatasetRefused(const absl::Status& status,
                            const DatasetReport& report);
absl::Status ValidateIdempotencyKey(absl::string_view key);
// "jobs/ID" -> ID
absl::StatusOr<std::string> JobId(absl::string_view name);

// 0 -> 50; more than 1000 -> 1000; negative: INVALID_ARGUMENT.
absl::StatusOr<int> PageSize(int32_t requested);

}  // namespace strata
