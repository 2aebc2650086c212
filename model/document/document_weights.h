#pragma once
// Between a document classifier and its safetensors file; as strict as
// model/hierarchy/weights.h. Thread-compatible.

#include <string>

#include "absl/status/status.h"
#include "model/document/document_classifier.h"

namespace strata {

absl::Status SaveDocumentWeights(const DocumentClassifier& model,
                                 const std::string& path);
// INVALID_ARGUMENT also when the file was written for another architecture or
// other labels.
absl::Status LoadDocumentWeights(const std::string& path,
                                 DocumentClassifier* model);

}  // namespace strata
