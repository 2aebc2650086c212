#pragma once
// DocumentBatch: texts as the rows that the sentence level reads. A text is cut
// into sentences (model/sentence_splitter.h); sentences of like length share a
// group, padded to the next multiple of 32 bytes, so that neither the rest of the
// text nor other texts decide how a sentence is padded. Torch-free. Thread-safe.

#include <cstdint>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "model/document_config.h"
#include "model/sentence_splitter.h"

namespace strata {

// Rows of the embedding table: 256 bytes, then the buckets of n-grams, the first
// of which stands for "none" (before an n-gram's first byte, in padding).
inline constexpr int64_t kByteRows = 256;

// Rows of the words' table (model/document/word_rows.h), run after run, and where each
// run begins; one more: the end. None without a table.
struct WordRuns {
  std::vector<int64_t> rows;
  std::vector<int64_t> starts = {0};
};

struct SentenceGroup {
  int64_t width = 0;
  std::vector<int64_t> sentences;  // which of the batch, by row
  std::vector<int64_t> lengths;    // bytes, by row
  // Row-major [rows, width, 1 + ngrams]: rows of the embedding table.
  std::vector<int64_t> ids;
  WordRuns words;  // by row
};

struct DocumentBatch {
  // By text; the sentences of the batch are numbered text after text.
  std::vector<std::vector<ByteRange>> sentences;
  std::vector<SentenceGroup> groups;  // ascending width
  WordRuns words;                     // by text
  int64_t bytes = 0;                  // without padding
  int64_t slots = 0;                  // with padding
};

// REQUIRES: every text is inside the config's limits (CheckText).
DocumentBatch MakeDocumentBatch(const DocumentConfig& config,
                                absl::Span<const absl::string_view> texts);

// The row of the table for the n bytes that end at byte `at` of `sentence`, for
// each n in [ngram_min, ngram_max]: out[n - ngram_min].
void NgramRows(const DocumentConfig& config, absl::string_view sentence,
               size_t at, int64_t* out);

}  // namespace strata
