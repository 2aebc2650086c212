#include "model/document/document_attention.h"

#include "model/document/linformer_attention.h"
#include "model/document/sparse_attention.h"

namespace strata {

std::shared_ptr<DocumentAttentionImpl> MakeDocumentAttention(
    const DocumentLevelConfig& level, int64_t items) {
  switch (level.scope.scope) {
    case DocumentScope::kFull: break;
    case DocumentScope::kLinformer:
      return std::make_shared<LinformerAttentionImpl>(level, items);
    case DocumentScope::kEtc:
    case DocumentScope::kBigBird:
      return std::make_shared<SparseAttentionImpl>(level);
  }
  return nullptr;
}

}  // namespace strata
