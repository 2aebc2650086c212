#pragma once
// `strata-server trainer`: RunTraining in a process of its own, speaking the
// wire format of model/trainer_wire.h.
//
//   trainer --run FILE [--events-fd N] [--nice N] [--tickets]
//
// Events go to descriptor N (default 1), at most 10 progress events a second and
// the last one always; in a pause of the run's heartbeat_seconds, the next poll of
// the training thread sends one that it is alive, which it also does while it waits for
// a ticket (only with --tickets does it ask for any). When standard input ends, the
// supervisor is gone: the process exits at once with 75, saving nothing (a checkpoint
// that is being written is either whole or garbage that the next attempt removes).
// Returns the exit code of model/trainer_wire.h.

#include "model/train/train_hooks.h"

namespace strata {

int TrainerMain(int argc, char** argv, const TrainHooks& hooks = TrainHooks());

}  // namespace strata
