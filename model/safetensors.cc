#include "model/safetensors.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "model/base/status_macros.h"
#include "model/file_io.h"
#include "model/json_object.h"
#include "model/safetensors_dtype.h"

namespace strata {
namespace {

constexpr uint64_t kMaxHeader = 100'000'000;  // as Python's package
constexpr char kMetadata[] = "__metadata__";

absl::Status Lost(const std::string& path, absl::string_view message) {
  return absl::DataLossError(absl::StrCat(path, ": ", message));
}

// A read-only mapping of a whole file.
class Mapping {
 public:
  static absl::StatusOr<Mapping> Open(const std::string& path) {
    const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) return ErrnoStatus(errno, "open", path);
    struct stat info;
    const int failed = fstat(fd, &info);
    const int error = errno;
    if (failed != 0 || !S_ISREG(info.st_mode) || info.st_size == 0) {
      close(fd);
      if (failed != 0) return ErrnoStatus(error, "stat", path);
      return Lost(path, "is empty or not a regular file");
    }
    const size_t size = static_cast<size_t>(info.st_size);
    void* data = mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd, 0);
    const int map_error = errno;
    close(fd);
    if (data == MAP_FAILED) return ErrnoStatus(map_error, "map", path);
    return Mapping(static_cast<const uint8_t*>(data), size);
  }
  Mapping(Mapping&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(other.size_) {}
  Mapping& operator=(Mapping&&) = delete;
  ~Mapping() {
    if (data_ != nullptr) munmap(const_cast<uint8_t*>(data_), size_);
  }

  absl::Span<const uint8_t> bytes() const { return {data_, size_}; }

 private:
  Mapping(const uint8_t* data, size_t size) : data_(data), size_(size) {}
  const uint8_t* data_;
  size_t size_;
};

struct Extent {
  int64_t begin = 0;
  int64_t end = 0;
  std::string name;
};

class File : public SafetensorsFile {
 public:
  File(std::string path, Mapping mapping)
      : path_(std::move(path)), mapping_(std::move(mapping)) {}

  absl::Status Load();

  const std::map<std::string, TensorView>& tensors() const override {
    return tensors_;
  }
  const std::map<std::string, std::string>& metadata() const override {
    return metadata_;
  }
  absl::StatusOr<TensorView> Find(absl::string_view name) const override {
    const auto it = tensors_.find(std::string(name));
    if (it != tensors_.end()) return it->second;
    return absl::NotFoundError(
        absl::StrCat("no tensor \"", name, "\" in ", path_));
  }

 private:
  absl::Status ReadTensor(const std::string& name, JsonObject* entry,
                          absl::Span<const uint8_t> data);
  // Sorted by begin, extents must tile the data exactly.
  absl::Status CheckTiling(int64_t data_bytes);

  const std::string path_;
  const Mapping mapping_;
  std::map<std::string, TensorView> tensors_;
  std::map<std::string, std::string> metadata_;
  std::vector<Extent> extents_;
};

absl::Status File::ReadTensor(const std::string& name, JsonObject* entry,
                              absl::Span<const uint8_t> data) {
  const auto lost = [&](absl::string_view message) {
    return Lost(path_, absl::StrCat("tensor \"", name, "\" ", message));
  };
  TensorView tensor;
  std::string dtype;
  std::vector<int64_t> offsets;
  entry->Get("dtype", &dtype);
  entry->Get("shape", &tensor.shape);
  entry->Get("data_offsets", &offsets);
  const absl::Status status = entry->Finish();
  if (!status.ok()) return absl::DataLossError(status.message());
  if (!ParseDType(dtype, &tensor.dtype)) {
    return lost(absl::StrCat("has the dtype ", dtype, ", which is unknown here"));
  }
  int64_t bytes = DTypeBytes(tensor.dtype);
  for (const int64_t size : tensor.shape) {
    if (size < 0 || __builtin_mul_overflow(bytes, size, &bytes)) {
      return lost("has an impossible shape");
    }
  }
  const int64_t limit = static_cast<int64_t>(data.size());
  if (offsets.size() != 2 || offsets[0] < 0 || offsets[1] < offsets[0] ||
      offsets[1] > limit) {
    return lost(absl::StrCat("lies outside the data of ", limit, " bytes"));
  }
  if (offsets[1] - offsets[0] != bytes) {
    return lost(absl::StrCat("has ", offsets[1] - offsets[0],
                             " bytes; its shape needs ", bytes));
  }
  tensor.data = data.subspan(offsets[0], bytes);
  extents_.push_back({offsets[0], offsets[1], name});
  tensors_.emplace(name, std::move(tensor));
  return absl::OkStatus();
}

absl::Status File::CheckTiling(int64_t data_bytes) {
  std::sort(extents_.begin(), extents_.end(),
            [](const Extent& a, const Extent& b) {
              return std::tie(a.begin, a.end) < std::tie(b.begin, b.end);
            });
  int64_t end = 0;
  for (const Extent& extent : extents_) {
    if (extent.begin != end) {
      return Lost(path_, absl::StrCat(
                             extent.begin < end ? "overlap" : "hole",
                             " before tensor \"", extent.name, "\""));
    }
    end = extent.end;
  }
  if (end == data_bytes) return absl::OkStatus();
  return Lost(path_, absl::StrCat(data_bytes - end, " bytes after the last tensor"));
}

absl::Status File::Load() {
  const absl::Span<const uint8_t> bytes = mapping_.bytes();
  if (bytes.size() < 8) return Lost(path_, "is truncated: no header length");
  uint64_t header = 0;
  for (int i = 7; i >= 0; --i) header = (header << 8) | bytes[i];
  if (header > kMaxHeader || header > bytes.size() - 8) {
    return Lost(path_, absl::StrCat("header of ", header, " bytes in a file of ",
                                    bytes.size(), "; at most ", kMaxHeader));
  }
  const absl::string_view text(reinterpret_cast<const char*>(bytes.data()) + 8,
                               header);
  absl::StatusOr<JsonObject> object = JsonObject::Parse(text, path_);
  if (!object.ok()) return absl::DataLossError(object.status().message());
  const absl::Span<const uint8_t> data = bytes.subspan(8 + header);
  if (object->Has(kMetadata)) object->Get(kMetadata, &metadata_);
  for (const std::string& name : object->Names()) {
    if (name == kMetadata) continue;
    JsonObject entry;
    object->Get(name, &entry);
    if (!object->status().ok()) break;
    STRATA_RETURN_IF_ERROR(ReadTensor(name, &entry, data));
  }
  const absl::Status status = object->Finish();
  if (!status.ok()) return absl::DataLossError(status.message());
  return CheckTiling(static_cast<int64_t>(data.size()));
}

}  // namespace

int64_t TensorView::elements() const {
  int64_t count = 1;
  for (const int64_t size : shape) count *= size;
  return count;
}

absl::StatusOr<std::unique_ptr<SafetensorsFile>> SafetensorsFile::Open(
    const std::string& path) {
  STRATA_ASSIGN_OR_RETURN(Mapping mapping, Mapping::Open(path));
  auto file = std::make_unique<File>(path, std::move(mapping));
  STRATA_RETURN_IF_ERROR(file->Load());
  return std::unique_ptr<SafetensorsFile>(std::move(file));
}

}  // namespace strata
