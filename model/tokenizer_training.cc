#include "model/tokenizer_training.h"

#include <vector>

#include "absl/strings/str_cat.h"
#include "model/base/status_macros.h"
#include "model/sentencepiece_plugin.h"

namespace strata {
namespace {

using Next = std::function<bool(absl::string_view*)>;

int GiveNext(void* user, const char** data, size_t* size) {
  absl::string_view segment;
  if (!(*static_cast<const Next*>(user))(&segment)) return 0;
  *data = segment.data();
  *size = segment.size();
  return 1;
}

void Append(void* user, const char* data, size_t size) {
  static_cast<std::string*>(user)->append(data, size);
}

}  // namespace

absl::Status CheckTokenizerTraining(absl::string_view kind, int64_t pieces) {
  if (kind != "bpe" && kind != "unigram") {
    return absl::InvalidArgumentError(
        absl::StrCat("tokenizer: is \"", kind, "\"; must be bpe or unigram"));
  }
  if (pieces >= kLeastPieces && pieces <= kMostPieces) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("pieces: is ", pieces, "; must be in [", kLeastPieces, ", ",
                   kMostPieces, "]"));
}

absl::StatusOr<std::string> TrainTokenizer(absl::string_view kind, int64_t pieces,
                                           const Next& next) {
  STRATA_RETURN_IF_ERROR(CheckTokenizerTraining(kind, pieces));
  STRATA_ASSIGN_OR_RETURN(const StrataSentencePieceApi* api, SentencePiecePlugin());
  const std::string type(kind);
  const std::string size = absl::StrCat(pieces + 1);  // one is for what is unknown
  const std::vector<const char*> options = {
      "model_type", type.c_str(),
      "vocab_size", size.c_str(),
      "hard_vocab_limit", "false",
      // Bytes are never changed (model/tokenizer.h).
      "normalization_rule_name", "identity",
      "add_dummy_prefix", "false",
      "remove_extra_whitespaces", "false",
      "allow_whitespace_only_pieces", "true",
      // The order in which threads add up would show in the pieces.
      "num_threads", "1",
      "bos_id", "-1",
      "eos_id", "-1",
      "minloglevel", "2",
      nullptr};
  std::string file;
  std::string error;
  const int failed = api->train(options.data(), {const_cast<Next*>(&next), GiveNext},
                                {&file, Append}, {&error, Append});
  if (failed == 0) return file;
  return absl::InvalidArgumentError(absl::StrCat(
      "a tokeniser of ", pieces, " pieces cannot be trained on this text: ", error));
}

}  // namespace strata
