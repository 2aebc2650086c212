#pragma once
// How a request asks the datastore of a version, as options of a command.

#include <optional>

#include "client/args.h"
#include "strata/v1/generation.pb.h"

namespace strata {

class NeighbourArgs {
 public:
  void Register(ArgParser* args);
  // Sets only what was given, on a generate or score request.
  template <typename Request>
  void Apply(Request* request) const {
    if (weight_ || count_ || temperature_) Set(request->mutable_neighbours());
  }

 private:
  void Set(v1::NeighbourParams* params) const;

  std::optional<double> weight_;
  std::optional<int64_t> count_;
  std::optional<double> temperature_;
};

}  // namespace strata
