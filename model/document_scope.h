#pragma once
// What an item of a level of a document classifier sees, where that is less than the
// whole row: ways to attend in time linear in the row that cannot be causal, so that no
// generative model has them. Here are the names, the numbers and the rules of configs;
// torch-free. One way is one row of the table in document_scope.cc and one file of
// model/document. Pure functions, thread-safe.
//
//   scope      item i sees                                               scores a row
//   full       every item                                                n^2
//   linformer  P mixtures of all keys, learned                           n P
//     2006.04768  (model/document/linformer_attention.h)
//   etc        items at most W away, and g learned items that see all    n (3 W + g) + g n
//     2004.08483  (model/document/sparse_attention.h)
//   bigbird    the same, and r other blocks of W items, drawn once        n ((3 + r) W + g)
//     2007.14062  (model/document/random_blocks.h)                         + g n

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace strata {

enum class DocumentScope { kFull, kLinformer, kEtc, kBigBird };

struct DocumentScopeSpec {
  DocumentScope scope = DocumentScope::kFull;
  int projected = 0;      // P
  int window = 0;         // W, on each side
  int global_items = 0;   // g
  int random_blocks = 0;  // r

  bool operator==(const DocumentScopeSpec&) const = default;
};

// As configs spell them; "" is no scope.
const char* DocumentScopeName(DocumentScope scope);
bool FindDocumentScope(absl::string_view name, DocumentScope* scope);
std::string DocumentScopeNames();  // "full, linformer, …"

// The numbers as the scope asks, for rows of at most `items`; `at` is their path with a
// dot. INVALID_ARGUMENT names the field.
absl::Status CheckDocumentScope(const DocumentScopeSpec& spec, int64_t items,
                                const std::string& at);

// Trainable numbers that the scope adds to a level.
int64_t DocumentScopeNumbers(const DocumentScopeSpec& spec, int64_t items, int64_t layers,
                             int64_t dim);

// Why a model that generates cannot have a scope of this name; "" where it is none of
// these, or one that does not look ahead.
std::string WhyNotCausal(absl::string_view name);

}  // namespace strata
