#include "client/upload.h"

#include <cerrno>
#include <cstring>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "client/output.h"
#include "client/status.h"
#include "model/base/status_macros.h"

namespace strata {
namespace {

constexpr size_t kPieceBytes = size_t{1} << 20;  // the server takes up to 4 MiB

}  // namespace

absl::StatusOr<v1::Dataset> UploadDataset(Connection* connection, const std::string& path,
                                          const std::function<void(int64_t)>& on_sent) {
  std::ifstream file(path, std::ios::binary);
  // A folder opens; only reading it fails.
  if (!file || (file.peek(), file.bad())) {
    return absl::NotFoundError(absl::StrCat("cannot read ", path, ": ", strerror(errno)));
  }
  file.clear();
  grpc::ClientContext context;
  v1::Dataset dataset;
  auto writer = connection->training().UploadDataset(&context, &dataset);
  v1::UploadDatasetRequest request;
  int64_t sent = 0;
  bool open = true;  // false once the server has answered early
  while (open) {
    std::string& piece = *request.mutable_data();
    piece.resize(kPieceBytes);
    file.read(piece.data(), static_cast<std::streamsize>(piece.size()));
    piece.resize(static_cast<size_t>(file.gcount()));
    if (piece.empty()) break;
    open = writer->Write(request);
    sent += static_cast<int64_t>(piece.size());
    if (open) on_sent(sent);
  }
  if (file.bad()) {
    context.TryCancel();
    writer->Finish();
    return absl::DataLossError(absl::StrCat("cannot read ", path, " to its end"));
  }
  writer->WritesDone();
  const grpc::Status status = writer->Finish();
  if (!status.ok()) return FromGrpc(status);
  return dataset;
}

absl::StatusOr<v1::Tokenizer> UploadTokenizer(Connection* connection,
                                              const std::string& path) {
  v1::UploadTokenizerRequest request;
  STRATA_ASSIGN_OR_RETURN(*request.mutable_file(), ReadInput(path));
  grpc::ClientContext context;
  v1::Tokenizer tokenizer;
  const grpc::Status status =
      connection->training().UploadTokenizer(&context, request, &tokenizer);
  if (!status.ok()) return FromGrpc(status);
  return tokenizer;
}

}  // namespace strata
