#include "client/field_flags.h"

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace strata {
namespace {

struct FieldFlag {
  const char* path;
  const char* flag;
};

// `prompt`, `messages` and `text` are words of their own: what they came from
// may be one of several options, or standard input.
constexpr FieldFlag kFieldFlags[] = {
    {"model", "--model"},
    {"max_tokens", "--max-tokens"},
    {"stop", "--stop"},
    {"time_limit_seconds", "--time-limit"},
    {"request_id", "--request-id"},
    {"no_prefix_cache", "--no-prefix-cache"},
    {"sampling.temperature", "--temperature"},
    {"sampling.top_k", "--top-k"},
    {"sampling.top_p", "--top-p"},
    {"sampling.min_p", "--min-p"},
    {"sampling.repetition_penalty", "--repetition-penalty"},
    {"sampling.repetition_window", "--repetition-window"},
    {"sampling.seed", "--seed"},
    {"sampling.ignore_eos", "--ignore-eos"},
    {"neighbours.weight", "--neighbour-weight"},
    {"neighbours.k", "--neighbours"},
    {"neighbours.temperature", "--neighbour-temperature"},
    {"idempotency_key", "--key"},
    {"spec.base", "--base"},
    {"spec.config", "--config"},
    {"spec.dataset", "--data"},
    {"spec.model", "--name"},
    {"spec.tokenizer", "--tokenizer"},
    {"spec.pieces", "--pieces"},
    {"spec.steps", "--steps"},
    {"spec.batch", "--batch"},
    {"spec.micro_batch", "--micro-batch"},
    {"spec.sequence", "--sequence"},
    {"spec.learning_rate", "--lr"},
    {"spec.min_learning_rate_ratio", "--min-lr-ratio"},
    {"spec.min_lr_ratio", "--min-lr-ratio"},
    {"spec.warmup_steps", "--warmup"},
    {"spec.weight_decay", "--weight-decay"},
    {"spec.clip_norm", "--clip-norm"},
    {"spec.dropout", "--dropout"},
    {"spec.ngram_weight", "--ngram-weight"},
    {"spec.block_weight", "--block-weight"},
    {"spec.span_weight", "--span-weight"},
    {"spec.bf16", "--bf16"},
    {"spec.seed", "--seed"},
    {"spec.eval_fraction", "--eval-fraction"},
    {"spec.eval_every_steps", "--eval-every"},
    {"spec.checkpoint_every_steps", "--checkpoint-every"},
    {"spec.checkpoint_every_seconds", "--checkpoint-seconds"},
    {"spec.threads", "--threads"},
    {"spec.datastore.entries", "--entries"},
    {"spec.datastore.neighbours", "--neighbours"},
    {"spec.datastore.index", "--index"},
};

bool IsPathCharacter(char c) {
  return absl::ascii_islower(c) || absl::ascii_isdigit(c) || c == '_' || c == '.';
}

// The flag of the field among `fields` that a message calls `word`: its path, or
// the last part of it.
std::string FlagOfSubject(absl::string_view word, const std::vector<std::string>& fields) {
  for (const std::string& field : fields) {
    const absl::string_view path = absl::string_view(field).substr(0, field.find('['));
    if (path == word || absl::EndsWith(path, absl::StrCat(".", word))) {
      return FlagOfField(path);
    }
  }
  return "";
}

}  // namespace

std::string FlagOfField(absl::string_view path) {
  path = path.substr(0, path.find('['));
  for (const FieldFlag& row : kFieldFlags) {
    if (path == row.path) return row.flag;
  }
  return "";
}

std::string NameFlags(absl::string_view message, const std::vector<std::string>& fields) {
  std::string out;
  for (size_t at = 0; at < message.size();) {
    size_t end = at;
    while (end < message.size() && IsPathCharacter(message[end])) ++end;
    if (end == at) {
      out += message[at++];
      continue;
    }
    const absl::string_view word = message.substr(at, end - at);
    const bool word_starts = at == 0 || message[at - 1] == ' ';
    std::string flag;
    if (at == 0) flag = FlagOfSubject(word, fields);
    const bool no_plain_word = word.find_first_of("._") != absl::string_view::npos;
    if (flag.empty() && word_starts && no_plain_word) flag = FlagOfField(word);
    absl::StrAppend(&out, flag.empty() ? std::string(word) : flag);
    at = end;
    // "spec.steps: is 0" -> "--steps is 0"
    const absl::string_view rest = message.substr(at);
    if (!flag.empty() && (absl::StartsWith(rest, ": is ") || absl::StartsWith(rest, ": must "))) {
      ++at;
    }
  }
  return out;
}

}  // namespace strata
