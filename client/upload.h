#pragma once
// Sends files for training. Data goes in pieces, without holding all of it.

#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/statusor.h"
#include "client/connection.h"
#include "strata/v1/training.pb.h"

namespace strata {

// The dataset as the server knows it; a refusal says which line and why.
// `on_sent` hears the bytes handed over so far.
absl::StatusOr<v1::Dataset> UploadDataset(Connection* connection, const std::string& path,
                                          const std::function<void(int64_t)>& on_sent);

// Sends the file of a tokeniser, which is small. A refusal says why.
absl::StatusOr<v1::Tokenizer> UploadTokenizer(Connection* connection,
                                              const std::string& path);

}  // namespace strata
