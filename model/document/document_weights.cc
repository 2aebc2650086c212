#include "model/document/document_weights.h"

#include "model/hierarchy/weights.h"
#include "model/version_dir.h"

namespace strata {
namespace {

// Dropout and the limits on texts may change between the versions of one model, but for
// one that is the width of a tensor.
std::string HashOf(DocumentConfig config) {
  const DocumentConfig defaults;
  config.dropout = defaults.dropout;
  if (config.document.scope.scope != DocumentScope::kLinformer) {
    config.max_sentences = defaults.max_sentences;
  }
  config.max_text_bytes = defaults.max_text_bytes;
  return Sha256Hex(DocumentConfigToJson(config));
}

}  // namespace

absl::Status SaveDocumentWeights(const DocumentClassifier& model,
                                 const std::string& path) {
  return SaveModuleWeights(*model, HashOf(model->config()), path);
}

absl::Status LoadDocumentWeights(const std::string& path,
                                 DocumentClassifier* model) {
  return LoadModuleWeights(path, HashOf((*model)->config()), model->get());
}

}  // namespace strata
