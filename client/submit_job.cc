#include "client/submit_job.h"

#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <random>

#include "absl/strings/str_format.h"
#include "client/job_view.h"
#include "client/output.h"
#include "client/status.h"
#include "client/upload.h"
#include "model/base/status_macros.h"

namespace strata {
namespace {

constexpr int64_t kBigFile = int64_t{8} << 20;  // from here on an upload shows progress

// Unique, so that the channel may repeat the call and still start one job.
std::string RandomKey() {
  std::random_device random;
  return absl::StrFormat("cli-%08x%08x%08x%08x", random(), random(), random(), random());
}

absl::StatusOr<v1::Dataset> Upload(Connection* connection, const std::string& path) {
  std::error_code ignored;
  const auto size = static_cast<int64_t>(std::filesystem::file_size(path, ignored));
  const bool show = !ignored && size >= kBigFile && isatty(STDERR_FILENO);
  auto dataset = UploadDataset(connection, path, [&](int64_t sent) {
    if (!show) return;
    fprintf(stderr, "\r\033[Kuploading  %3d%%  %sB of %sB", static_cast<int>(100 * sent / size),
            HumanCount(static_cast<double>(sent)).c_str(),
            HumanCount(static_cast<double>(size)).c_str());
  });
  if (show) fputs("\r\033[K", stderr);
  return dataset;
}

// What the server took the file for.
const char* FormatName(v1::DatasetFormat format) {
  switch (format) {
    case v1::DATASET_FORMAT_CHAT: return "conversations";
    case v1::DATASET_FORMAT_COMPLETION: return "prompts and completions";
    case v1::DATASET_FORMAT_LABEL: return "texts with labels";
    default: return "plain text";
  }
}

}  // namespace

absl::Status SubmitJob(CommandContext* context, const SubmitOptions& options,
                       v1::TrainRequest request) {
  request.set_idempotency_key(options.key.empty() ? RandomKey() : options.key);
  STRATA_ASSIGN_OR_RETURN(const v1::Dataset dataset,
                          Upload(context->connection.get(), options.data));
  request.mutable_spec()->set_dataset(dataset.name());
  if (!options.json) {
    fprintf(stderr, "%s: %s, documents %d, %sB\n", dataset.name().substr(0, 21).c_str(),
            FormatName(dataset.format()), static_cast<int>(dataset.documents()),
            HumanCount(static_cast<double>(dataset.bytes())).c_str());
  }
  grpc::ClientContext call;
  v1::Job job;
  const grpc::Status status = context->connection->training().Train(&call, request, &job);
  if (!status.ok()) return FromGrpc(status);
  if (!options.watch) return PrintJob(job, options.json);
  if (!options.json) fprintf(stderr, "%s\n", job.name().c_str());
  return FollowJob(*context, job.name(), options.json);
}

}  // namespace strata
