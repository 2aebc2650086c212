#include "model/document_scope.h"

#include <iterator>

#include "absl/strings/str_cat.h"
#include "model/base/status_macros.h"
#include "model/field_check.h"

namespace strata {
namespace {

constexpr int kMaxGlobalItems = 64;
constexpr int kMaxRandomBlocks = 16;

struct Row {
  DocumentScope scope;
  const char* name;
  bool projects;  // has `projected`
  bool local;     // has `window` and `global_items`
  bool draws;     // has `random_blocks`
  const char* looks_ahead;  // how it sees what is to come, past this scope's name
};

constexpr Row kRows[] = {
    {DocumentScope::kFull, "full", false, false, false, ""},
    {DocumentScope::kLinformer, "linformer", true, false, false,
     "mixes the keys of a whole text, those to come too, into each that is seen"},
    {DocumentScope::kEtc, "etc", false, true, false,
     "has items that see a whole text and are seen from everywhere"},
    {DocumentScope::kBigBird, "bigbird", false, true, true,
     "has items that see a whole text and are seen from everywhere, and blocks drawn "
     "before and behind"}};

const Row& RowOf(DocumentScope scope) { return kRows[static_cast<int>(scope)]; }

absl::Status CheckNumber(const std::string& field, int value, bool wanted, int64_t most,
                         const char* scope) {
  if (wanted && value == 0) {
    return BadField(field, absl::StrCat("is missing: where scope is ", scope,
                                        " it must be in [1, ", most, "]"));
  }
  if (wanted) return InRange(field, value, 1, most);
  return LeftOut(field, value, absl::StrCat("scope is ", scope));
}

}  // namespace

const char* DocumentScopeName(DocumentScope scope) { return RowOf(scope).name; }

bool FindDocumentScope(absl::string_view name, DocumentScope* scope) {
  for (const Row& row : kRows) {
    if (name != row.name) continue;
    *scope = row.scope;
    return true;
  }
  return false;
}

std::string DocumentScopeNames() {
  std::string names;
  for (const Row& row : kRows) {
    absl::StrAppend(&names, names.empty() ? "" : &row == std::end(kRows) - 1 ? " or " : ", ",
                    row.name);
  }
  return names;
}

absl::Status CheckDocumentScope(const DocumentScopeSpec& spec, int64_t items,
                                const std::string& at) {
  const Row& row = RowOf(spec.scope);
  STRATA_RETURN_IF_ERROR(
      CheckNumber(at + "projected", spec.projected, row.projects, items, row.name));
  STRATA_RETURN_IF_ERROR(
      CheckNumber(at + "window", spec.window, row.local, items, row.name));
  STRATA_RETURN_IF_ERROR(CheckNumber(at + "global_items", spec.global_items, row.local,
                                     kMaxGlobalItems, row.name));
  STRATA_RETURN_IF_ERROR(CheckNumber(at + "random_blocks", spec.random_blocks, row.draws,
                                     kMaxRandomBlocks, row.name));
  const int64_t read = (3 + spec.random_blocks) * spec.window + spec.global_items;
  if (!row.local || read <= items) return absl::OkStatus();
  return BadField(at + "window",
                  absl::StrCat("is ", spec.window, ": (3 + random_blocks) window + "
                               "global_items is ", read, "; must be at most the ", items,
                               " items of a row, where a full scope costs no more"));
}

int64_t DocumentScopeNumbers(const DocumentScopeSpec& spec, int64_t items, int64_t layers,
                             int64_t dim) {
  return layers * 2 * spec.projected * items + spec.global_items * dim;
}

std::string WhyNotCausal(absl::string_view name) {
  DocumentScope scope = DocumentScope::kFull;
  if (!FindDocumentScope(name, &scope) || *RowOf(scope).looks_ahead == '\0') return "";
  return absl::StrCat("is \"", name, "\", which ", RowOf(scope).looks_ahead,
                      ", so items would see what is to come; only a level of a document classifier can "
      "have it");
}

}  // namespace strata
