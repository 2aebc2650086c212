#pragma once
// Trains on documents in memory, through the very loop of RunTraining: for data
// that a file of text cannot hold, and to look at the trained model.

#include <string>
#include <vector>

#include "model/chat_template.h"
#include "model/train/model_source.h"
#include "model/trainer.h"

namespace strata::testing {

// A run of a preset without dropout, evaluation or checkpoints in between.
TrainRun PresetRun(const std::string& dir, const std::string& preset,
                   int64_t steps);

// Fails the test and returns an empty model on an error.
TrainedModel TrainOnDocuments(const TrainRun& run,
                              std::vector<Document> documents, bool is_text);

// Mean bits of every byte of `documents`, each from its own start, packed into
// rows of `sequence`.
double BitsPerByte(TrainedModel* model, const std::vector<Document>& documents,
                   int64_t sequence);

// Tiny Shakespeare, or "" where $STRATA_SHARED_DATA does not have it.
std::string TinyShakespeare();

// The licences that every Debian machine carries, some 230 kB of English.
std::string Licences();

// Nats per character on 160 windows of 256 characters, spread over the last
// tenth of `text`, each scored from its first character.
double WindowNats(TrainedModel* model, const std::string& text);

}  // namespace strata::testing
