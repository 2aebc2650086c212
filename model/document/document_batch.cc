#include "model/document/document_batch.h"

#include <algorithm>
#include <map>

#include "model/document/row_hash.h"
#include "model/document/word_rows.h"

namespace strata {
namespace {

constexpr int64_t kWidthStep = 32;

void EndRun(WordRuns* words) {
  words->starts.push_back(static_cast<int64_t>(words->rows.size()));
}

// To those of its group's row, and to its text's.
void AddWords(const DocumentConfig& config, absl::string_view sentence, WordRuns* row,
              WordRuns* text) {
  if (config.word_buckets > 0) {
    const auto before = static_cast<int64_t>(row->rows.size());
    AppendWordRows(sentence, config.word_buckets, &row->rows);
    text->rows.insert(text->rows.end(), row->rows.begin() + before, row->rows.end());
  }
  EndRun(row);
}

void AddSentence(const DocumentConfig& config, absl::string_view sentence,
                 int64_t index, SentenceGroup* group) {
  const int64_t ngrams = config.ngrams();
  const size_t start = group->ids.size();
  group->sentences.push_back(index);
  group->lengths.push_back(static_cast<int64_t>(sentence.size()));
  // Padding: byte 0 and no n-gram; the masks hide it.
  group->ids.resize(start + group->width * (1 + ngrams), kByteRows);
  int64_t* out = group->ids.data() + start;
  for (int64_t i = 0; i < group->width; ++i, out += 1 + ngrams) {
    const bool real = i < group->lengths.back();
    out[0] = real ? static_cast<uint8_t>(sentence[i]) : 0;
    if (real && ngrams > 0) {
      NgramRows(config, sentence, static_cast<size_t>(i), out + 1);
    }
  }
}

}  // namespace

void NgramRows(const DocumentConfig& config, absl::string_view sentence,
               size_t at, int64_t* out) {
  RowHash hash;
  for (int n = 1; n <= config.ngram_max; ++n) {
    const bool inside = at + 1 >= static_cast<size_t>(n);
    if (inside) hash.Take(static_cast<uint8_t>(sentence[at + 1 - n]));
    if (n < config.ngram_min) continue;
    out[n - config.ngram_min] =
        kByteRows + (inside ? 1 + hash.Among(config.ngram_buckets - 1) : 0);
  }
}

DocumentBatch MakeDocumentBatch(const DocumentConfig& config,
                                absl::Span<const absl::string_view> texts) {
  DocumentBatch batch;
  std::map<int64_t, SentenceGroup> groups;
  int64_t index = 0;
  for (const absl::string_view text : texts) {
    batch.sentences.push_back(SplitSentences(text, config.max_sentence_bytes));
    batch.bytes += static_cast<int64_t>(text.size());
    for (const ByteRange& range : batch.sentences.back()) {
      const int64_t length = range.end - range.begin;
      const int64_t width =
          (length + kWidthStep - 1) / kWidthStep * kWidthStep;
      SentenceGroup& group = groups[width];
      group.width = width;
      const absl::string_view sentence = text.substr(range.begin, length);
      AddSentence(config, sentence, index++, &group);
      AddWords(config, sentence, &group.words, &batch.words);
      batch.slots += width;
    }
    EndRun(&batch.words);
  }
  for (auto& [width, group] : groups) batch.groups.push_back(std::move(group));
  return batch;
}

}  // namespace strata
