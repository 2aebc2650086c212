// strata train: data in, a job, and with --watch its progress.

#include <algorithm>
#include <utility>

#include "client/command.h"
#include "client/output.h"
#include "client/submit_job.h"
#include "client/upload.h"
#include "model/base/status_macros.h"

namespace strata {
namespace {

// The options of a TrainSpec; what is not given stays absent.
class SpecArgs {
 public:
  void Register(ArgParser* args) {
    args->Add("base", "PRESET_OR_MODEL",
              "a preset for new weights (strata models presets; document\nfor a classifier), or "
              "NAME[@VERSION]",
              &base_);
    args->Add("config", "FILE",
              "instead of --base: a config.json for new weights, such as\nstrata models presets "
              "NAME prints",
              &config_);
    args->Add("tokenizer", "bpe|unigram|FILE",
              "of new weights: SentencePiece, trained on the data, or the\nfile of one that is; "
              "default: tokens are bytes",
              &tokenizer_);
    args->Add("pieces", "N", "of a tokeniser that is trained; default 4096", &pieces_);
    args->Add("name", "MODEL", "the model that gets the new version", &model_).Require();
    args->Add("steps", "N", "optimizer steps", &steps_).Require();
    args->Add("batch", "N", "rows a step; default 8", &batch_)
        .Add("micro-batch", "N",
             "rows a forward pass; default: batch, with long rows fewer", &micro_batch_)
        .Add("sequence", "N",
             "tokens a row; default: 512 for text, for conversations\nand pairs 512, 1024 or "
             "2048, the shortest that holds 19\nof 20 of them",
             &sequence_)
        .Add("lr", "RATE", "peak learning rate; default 5e-4", &lr_)
        .Add("min-lr-ratio", "R", "where the cosine ends, of the peak; default 0.1", &min_lr_)
        .Add("warmup", "STEPS", "default: 3 % of the steps, at most 100", &warmup_)
        .Add("weight-decay", "D", "on matrices; default 0.1", &weight_decay_)
        .Add("clip-norm", "N", "of the gradient; default 1", &clip_norm_)
        .Add("dropout", "P", "default: the base's", &dropout_)
        .Add("ngram-weight", "W",
             "of the loss of each n-gram head (a config's ngram_heads),\nbeside the ordinary "
             "loss's 1; default 0.2",
             &ngram_weight_)
        .Add("block-weight", "W",
             "of next-block prediction by the levels above the bytes,\nbeside the ordinary "
             "loss's 1; default 0: none",
             &block_weight_)
        .Add("span-weight", "W",
             "of the mean span of heads that learn one, in nats an item;\ndefault 2e-6",
             &span_weight_)
        .AddFlag("bf16",
                 "matrix products in bfloat16: faster where the server's\nprocessor has units "
                 "for it",
                 &bf16_)
        .Add("seed", "S", "of weights, order and dropout; default 1", &seed_)
        .Add("eval-fraction", "F", "part of the data held out; default 0.02", &eval_fraction_)
        .Add("eval-every", "STEPS", "default: a tenth of the steps, at least 10", &eval_every_)
        .Add("checkpoint-every", "STEPS", "default 200", &checkpoint_steps_)
        .Add("checkpoint-seconds", "SECONDS", "default 300", &checkpoint_seconds_)
        .Add("threads", "N", "default: the server's --trainer-threads", &threads_);
  }

  absl::Status Apply(v1::TrainSpec* spec) const {
    if (base_.empty() == config_.empty()) {
      return UsageError("strata train needs one of --base PRESET_OR_MODEL and --config FILE");
    }
    if (!config_.empty()) {
      STRATA_ASSIGN_OR_RETURN(const std::string config, ReadInput(config_));
      spec->set_config(config);
    }
    STRATA_RETURN_IF_ERROR(ApplyTokenizer(spec));
    spec->set_base(base_);
    spec->set_model(model_);
    spec->set_steps(steps_);
    if (batch_) spec->set_batch(*batch_);
    if (micro_batch_) spec->set_micro_batch(*micro_batch_);
    if (sequence_) spec->set_sequence(*sequence_);
    if (lr_) spec->set_learning_rate(*lr_);
    if (min_lr_) spec->set_min_learning_rate_ratio(*min_lr_);
    if (warmup_) spec->set_warmup_steps(*warmup_);
    if (weight_decay_) spec->set_weight_decay(*weight_decay_);
    if (clip_norm_) spec->set_clip_norm(*clip_norm_);
    if (dropout_) spec->set_dropout(*dropout_);
    if (ngram_weight_) spec->set_ngram_weight(*ngram_weight_);
    if (block_weight_) spec->set_block_weight(*block_weight_);
    if (span_weight_) spec->set_span_weight(*span_weight_);
    spec->set_bf16(bf16_);
    if (seed_) spec->set_seed(*seed_);
    if (eval_fraction_) spec->set_eval_fraction(*eval_fraction_);
    if (eval_every_) spec->set_eval_every_steps(*eval_every_);
    if (checkpoint_steps_) spec->set_checkpoint_every_steps(*checkpoint_steps_);
    if (checkpoint_seconds_) spec->set_checkpoint_every_seconds(*checkpoint_seconds_);
    if (threads_) {
      spec->set_threads(static_cast<int32_t>(std::clamp<int64_t>(*threads_, -1, 1 << 20)));
    }
    return absl::OkStatus();
  }

  // The file of a tokeniser that is yet to be uploaded; empty if none.
  std::string tokenizer_file() const {
    return tokenizer_ == "bpe" || tokenizer_ == "unigram" ? "" : tokenizer_;
  }

 private:
  absl::Status ApplyTokenizer(v1::TrainSpec* spec) const {
    const bool trained = !tokenizer_.empty() && tokenizer_file().empty();
    if (pieces_ && !trained) {
      return UsageError("--pieces goes with --tokenizer bpe or unigram alone");
    }
    if (trained) spec->mutable_tokenizer()->set_train(tokenizer_);
    if (pieces_) {
      spec->mutable_tokenizer()->set_pieces(
          static_cast<int32_t>(std::clamp<int64_t>(*pieces_, -1, 1 << 20)));
    }
    return absl::OkStatus();
  }

  std::string base_;
  std::string tokenizer_;
  std::string config_;
  std::string model_;
  int64_t steps_ = 0;
  std::optional<int64_t> batch_, micro_batch_, sequence_, warmup_, eval_every_,
      checkpoint_steps_, threads_, pieces_;
  std::optional<double> lr_, min_lr_, weight_decay_, clip_norm_, dropout_, ngram_weight_,
      block_weight_, span_weight_, eval_fraction_, checkpoint_seconds_;
  std::optional<uint64_t> seed_;
  bool bf16_ = false;
};

}  // namespace

absl::Status RunTrain(CommandContext* context, const std::vector<std::string>& words) {
  SpecArgs spec;
  std::string data;
  std::string key;
  bool watch = false;
  bool json = false;
  ArgParser args("train",
                 "Uploads data and starts a job that trains a model on it. The data is plain text,"
                 "\nor JSON lines of {\"messages\": [{\"role\", \"content\"}…]} or {\"prompt\", "
                 "\"completion\"}; a\nclassifier (--base document) learns JSON lines of {\"text\", "
                 "\"label\"}.");
  args.Add("data", "FILE", "what to train on", &data).Require();
  spec.Register(&args);
  args.Add("key", "KEY", "the same command with the same key is the same job", &key);
  args.AddFlag("watch", "follow the job to its end; Ctrl-C detaches", &watch);
  args.AddFlag("json", "print the job (with --watch: its events, then the job) as JSON", &json);
  bool done = false;
  STRATA_RETURN_IF_ERROR(ParseOrHelp(context, &args, words, &done));
  if (done) return absl::OkStatus();

  v1::TrainRequest request;
  STRATA_RETURN_IF_ERROR(spec.Apply(request.mutable_spec()));
  if (!spec.tokenizer_file().empty()) {
    STRATA_ASSIGN_OR_RETURN(
        const v1::Tokenizer tokenizer,
        UploadTokenizer(context->connection.get(), spec.tokenizer_file()));
    request.mutable_spec()->mutable_tokenizer()->set_file(tokenizer.name());
  }
  return SubmitJob(context, {data, key, watch, json}, std::move(request));
}

}  // namespace strata
