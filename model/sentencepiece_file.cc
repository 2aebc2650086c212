#include "model/sentencepiece_file.h"

#include <cstdint>
#include <optional>

#include "absl/strings/str_cat.h"

namespace strata {
namespace {

// Fields of ModelProto, and of the trainer's part in it.
constexpr uint64_t kTrainer = 2;
constexpr uint64_t kNormalizer = 3;
constexpr uint64_t kSelfTest = 4;
constexpr uint64_t kModelType = 3;

constexpr char kPlainNormalizer[] =
    "\x1a\x12"        // field 3, 18 bytes:
    "\x0a\x08identity"  // its name
    "\x12\x00"        // no table of characters
    "\x18\x00"        // no space before the text
    "\x20\x00"        // spaces stay
    "\x28\x01";       // and are U+2581 in pieces

struct Field {
  uint64_t number = 0;
  uint64_t value = 0;      // of a varint
  absl::string_view bytes;  // of what has a length
  absl::string_view whole;  // tag included
};

std::optional<uint64_t> TakeVarint(absl::string_view* from) {
  uint64_t value = 0;
  for (int shift = 0; shift < 64 && !from->empty(); shift += 7) {
    const auto byte = static_cast<uint8_t>(from->front());
    from->remove_prefix(1);
    value |= uint64_t{byte & 0x7Fu} << shift;
    if (byte < 0x80) return value;
  }
  return std::nullopt;
}

// The next field of a message; nothing where it is malformed.
std::optional<Field> TakeField(absl::string_view* from) {
  const absl::string_view begin = *from;
  const auto tag = TakeVarint(from);
  if (!tag.has_value()) return std::nullopt;
  Field field;
  field.number = *tag >> 3;
  const uint64_t type = *tag & 7;
  uint64_t size = type == 1 ? 8 : type == 5 ? 4 : 0;
  if (type == 0 || type == 2) {
    const auto value = TakeVarint(from);
    if (!value.has_value()) return std::nullopt;
    (type == 0 ? field.value : size) = *value;
  } else if (size == 0) {
    return std::nullopt;
  }
  if (size > from->size()) return std::nullopt;
  field.bytes = from->substr(0, size);
  from->remove_prefix(size);
  field.whole = begin.substr(0, begin.size() - from->size());
  return field;
}

absl::Status NotAModel() {
  return absl::InvalidArgumentError("is no SentencePiece model");
}

// "unigram" is what a trainer that does not say made.
absl::StatusOr<uint64_t> ModelType(absl::string_view trainer) {
  uint64_t type = 1;
  while (!trainer.empty()) {
    const auto field = TakeField(&trainer);
    if (!field.has_value()) return NotAModel();
    if (field->number == kModelType) type = field->value;
  }
  return type;
}

}  // namespace

absl::StatusOr<SentencePieceFile> ReadSentencePieceFile(absl::string_view file) {
  SentencePieceFile out;
  uint64_t type = 1;
  if (file.empty()) return NotAModel();
  while (!file.empty()) {
    const auto field = TakeField(&file);
    if (!field.has_value() || field->number == 0) return NotAModel();
    if (field->number == kTrainer) {
      const auto found = ModelType(field->bytes);
      if (!found.ok()) return found.status();
      type = *found;
    }
    if (field->number == kNormalizer || field->number == kSelfTest) continue;
    absl::StrAppend(&out.plain, field->whole);
  }
  if (type != 1 && type != 2) {
    return absl::InvalidArgumentError(
        "is a SentencePiece model of words or characters; must be of the kind "
        "bpe or unigram");
  }
  out.kind = type == 1 ? "unigram" : "bpe";
  out.plain.append(kPlainNormalizer, sizeof(kPlainNormalizer) - 1);
  return out;
}

}  // namespace strata
