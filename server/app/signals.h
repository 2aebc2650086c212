#pragma once
// Signals as plain waits: SIGTERM and SIGINT are blocked everywhere and taken
// with sigwait, so that no code ever runs in a signal handler.

#include <string>

#include "model/base/clock.h"

namespace strata {

// Whether one of them waits to be taken. REQUIRES BlockSignals.
bool SignalPending();

// Blocks until SIGTERM or SIGINT arrives. REQUIRES BlockSignals.
int WaitForSignal();

// From now on the next such signal, or `limit` passing, ends the process at
// once: with 128 + the signal, or with 1. A shutdown cannot hang.
void StartExitWatchdog(MonotonicDuration limit);

}  // namespace strata
