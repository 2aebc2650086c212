// strata datastore: data in, a job, and a version that also asks what it remembers.

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "client/command.h"
#include "client/generate_stream.h"
#include "client/submit_job.h"
#include "model/base/status_macros.h"

namespace strata {
namespace {

// "mine" of "mine@3": what is built of a model is that model's next version.
std::string NameOf(const std::string& model) { return model.substr(0, model.find('@')); }

// The options of a TrainSpec that builds one; what is not given stays absent.
class DatastoreArgs {
 public:
  void Register(ArgParser* args) {
    args->Add("base", "MODEL", "NAME[@VERSION], whose weights it is to help", &base_).Require();
    args->Add("name", "MODEL", "the model that gets the new version; default: that of --base",
              &model_)
        .Add("entries", "N",
             "at most, one for each token of the data; of more data,\nparts that lie evenly in it; "
             "default 1000000",
             &entries_)
        .Add("neighbours", "K", "that a request may ask for, at most; default 64", &neighbours_)
        .Add("index", "KIND",
             "exact; graph, which may miss some of the nearest; default\nauto: exact up to 16384 "
             "entries",
             &index_)
        .Add("sequence", "N", "tokens of a piece; default: as strata train", &sequence_)
        .Add("eval-fraction", "F",
             "part of the data held out, to choose weight, number and\ntemperature on; default "
             "0.02",
             &eval_fraction_)
        .Add("checkpoint-every", "PIECES", "default 200", &checkpoint_steps_)
        .Add("checkpoint-seconds", "SECONDS", "default 300", &checkpoint_seconds_)
        .Add("threads", "N", "default: the server's --trainer-threads", &threads_);
  }

  void Apply(v1::TrainSpec* spec) const {
    spec->set_base(base_);
    spec->set_model(model_.empty() ? NameOf(base_) : model_);
    v1::DatastoreSpec* datastore = spec->mutable_datastore();
    if (entries_) datastore->set_entries(*entries_);
    if (neighbours_) datastore->set_neighbours(NarrowField(*neighbours_));
    datastore->set_index(index_);
    if (sequence_) spec->set_sequence(*sequence_);
    if (eval_fraction_) spec->set_eval_fraction(*eval_fraction_);
    if (checkpoint_steps_) spec->set_checkpoint_every_steps(*checkpoint_steps_);
    if (checkpoint_seconds_) spec->set_checkpoint_every_seconds(*checkpoint_seconds_);
    if (threads_) spec->set_threads(NarrowField(*threads_));
  }

 private:
  std::string base_, model_, index_;
  std::optional<int64_t> entries_, neighbours_, sequence_, checkpoint_steps_, threads_;
  std::optional<double> eval_fraction_, checkpoint_seconds_;
};

}  // namespace

absl::Status RunDatastore(CommandContext* context, const std::vector<std::string>& words) {
  DatastoreArgs spec;
  SubmitOptions submit;
  ArgParser args("datastore",
                 "Uploads data and starts a job that makes a version of a model which remembers it: "
                 "the\nweights stay, and what came next at the most similar places of the data is "
                 "mixed into\nwhat they say. The data is of the kind that the model was trained on.");
  args.Add("data", "FILE", "what to remember", &submit.data).Require();
  spec.Register(&args);
  args.Add("key", "KEY", "the same command with the same key is the same job", &submit.key);
  args.AddFlag("watch", "follow the job to its end; Ctrl-C detaches", &submit.watch);
  args.AddFlag("json", "print the job (with --watch: its events, then the job) as JSON",
               &submit.json);
  bool done = false;
  STRATA_RETURN_IF_ERROR(ParseOrHelp(context, &args, words, &done));
  if (done) return absl::OkStatus();
  v1::TrainRequest request;
  spec.Apply(request.mutable_spec());
  return SubmitJob(context, submit, std::move(request));
}

}  // namespace strata
