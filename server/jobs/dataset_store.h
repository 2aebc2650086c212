#pragma once
// DatasetStore: uploaded training data, named by the SHA-256 of its bytes, so
// that the same upload is the same dataset. DATA/datasets/SHA256/{data,report.json},
// atomic: a dataset is whole and validated, or absent. One whose file was damaged
// later is found out by the trainer, which hashes it, and mended by uploading the
// same bytes again. Thread-safe; an Upload is used by one thread at a time.
//
// Beside them lie uploaded tokenisers, DATA/datasets/tokenizers/SHA256.model, each a
// file that opens (model/tokenizer.h).

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "model/dataset.h"
#include "model/tokenizer.h"

namespace strata {

struct StoredDataset {
  std::string sha256;
  std::string path;  // of the data
  DatasetReport report;
};

struct StoredTokenizer {
  std::string sha256;
  std::string path;
};

class DatasetStore {
 public:
  class Upload {
   public:
    virtual ~Upload() = default;  // drops what was not finished
    // RESOURCE_EXHAUSTED: the size limit, or a full disk.
    virtual absl::Status Append(absl::string_view data) = 0;
    // Validates, then commits. INVALID_ARGUMENT with DATASET_INVALID and a
    // report in `errors` (if not null): nothing is kept.
    virtual absl::StatusOr<StoredDataset> Finish(DatasetReport* errors) = 0;
  };

  // `root` = DATA/datasets, created if absent. `max_bytes` of one dataset.
  DatasetStore(std::string root, int64_t max_bytes);
  absl::StatusOr<std::unique_ptr<Upload>> StartUpload();
  absl::StatusOr<StoredDataset> Get(absl::string_view sha256) const;

  // `opened`, if not null, gets what the file is. INVALID_ARGUMENT: it is no
  // tokeniser; RESOURCE_EXHAUSTED: a full disk.
  absl::StatusOr<StoredTokenizer> PutTokenizer(
      const std::string& file, std::shared_ptr<const Tokenizer>* opened);
  absl::StatusOr<StoredTokenizer> GetTokenizer(absl::string_view sha256) const;

 private:
  const std::string root_;
  const int64_t max_bytes_;
};

}  // namespace strata
