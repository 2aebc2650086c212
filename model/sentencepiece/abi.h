#pragma once
// The face of the plug-in libstrata_sentencepiece.so: plain C, for its library must
// meet nothing of ours. SentencePiece carries and exports a protobuf of its own, and
// declares an absl::string_view of its own, so no file sees both it and Abseil, and
// the plug-in is opened with RTLD_LOCAL and RTLD_DEEPBIND
// (model/sentencepiece_plugin.h).
//
// No function throws. Those that can fail return nonzero and hand a sentence for the
// user to `error`. A model is immutable once open: many threads may use it.

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// Takes a run of bytes, which are the callee's for the call alone.
struct StrataSink {
  void* user;
  void (*take)(void* user, const char* data, size_t size);
};

// Gives the next sentence, valid until the next call; 0 when there are no more.
struct StrataSentences {
  void* user;
  int (*next)(void* user, const char** data, size_t* size);
};

// A piece of an encoding: its number, and the bytes of the text that it covers.
struct StrataPieces {
  void* user;
  void (*take)(void* user, int32_t id, size_t begin, size_t end);
};

enum StrataPieceKind {
  kStrataPieceText = 0,   // a piece of text, spaces as U+2581
  kStrataPieceOther = 1,  // unknown, control, unused, a byte
};

struct StrataSentencePieceApi {
  // `options`: name, value, name, value, .., null, as spm_train knows them.
  int (*train)(const char* const* options, struct StrataSentences sentences,
               struct StrataSink model, struct StrataSink error);
  // Null where the bytes are no model.
  void* (*open)(const char* model, size_t size, struct StrataSink error);
  void (*close)(void* model);
  int32_t (*size)(const void* model);  // numbers in [0, size)
  enum StrataPieceKind (*piece)(const void* model, int32_t id,
                                struct StrataSink text);
  // The pieces cover the text, in order.
  int (*encode)(const void* model, const char* text, size_t size,
                struct StrataPieces pieces, struct StrataSink error);
};

// The plug-in's one symbol; another version is another name.
#define STRATA_SENTENCEPIECE_SYMBOL "StrataSentencePieceV1"
const struct StrataSentencePieceApi* StrataSentencePieceV1(void);

#ifdef __cplusplus
}
#endif
