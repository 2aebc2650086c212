#include "client/neighbour_args.h"

#include "client/generate_stream.h"

namespace strata {

void NeighbourArgs::Register(ArgParser* args) {
  args->Add("neighbour-weight", "W",
            "of the neighbours that a model with a datastore asks (strata\ndatastore); 0: the "
            "model alone; default: the version's",
            &weight_)
      .Add("neighbours", "K", "that it asks; default: the version's", &count_)
      .Add("neighbour-temperature", "T",
           "a small one lets the nearest decide; default: the version's", &temperature_);
}

void NeighbourArgs::Set(v1::NeighbourParams* params) const {
  if (weight_) params->set_weight(*weight_);
  if (count_) params->set_k(NarrowField(*count_));
  if (temperature_) params->set_temperature(*temperature_);
}

}  // namespace strata
