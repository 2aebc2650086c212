#include "model/datastore/neighbour_index.h"

// Its own vector code is for keys of fp32 alone; what else it has of that reads ahead,
// behind the end of lists.
#define NO_MANUAL_VECTORIZATION
#include <hnswlib/hnswlib.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <system_error>
#include <type_traits>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "model/base/random.h"
#include "model/base/status_macros.h"
#include "model/datastore/key_space.h"
#include "model/file_io.h"

namespace strata {
namespace {

namespace fs = std::filesystem;

// Of a graph: links upwards, twice as many on the ground; how many candidates a new key
// and a query are compared with at least (DatastoreBytes counts the links).
constexpr size_t kLinks = 16;
constexpr size_t kBuildWidth = 128;
constexpr size_t kSearchWidth = 256;

class KeySpace final : public hnswlib::SpaceInterface<float> {
 public:
  explicit KeySpace(int64_t dim) : padded_(PaddedKey(dim)) {}
  size_t get_data_size() override { return padded_ * sizeof(uint16_t); }
  hnswlib::DISTFUNC<float> get_dist_func() override { return Distance; }
  void* get_dist_func_param() override { return &padded_; }

 private:
  static float Distance(const void* a, const void* b, const void* padded) {
    return KeyDistance(static_cast<const uint16_t*>(a),
                       static_cast<const uint16_t*>(b),
                       *static_cast<const int64_t*>(padded));
  }
  int64_t padded_;
};

// The library knows a key by one number: which it is, and what came next.
hnswlib::labeltype LabelOf(int64_t entry, Item next) {
  return static_cast<hnswlib::labeltype>(entry) << 16 |
         static_cast<hnswlib::labeltype>(next);
}

// The library throws std::bad_alloc, std::runtime_error for the same, and for what it
// finds wrong.
template <typename F>
absl::Status Guarded(F&& function) {
  std::string what;
  bool no_memory = true;
  try {
    function();
    return absl::OkStatus();
  } catch (const std::bad_alloc& error) {
    what = error.what();
  } catch (const std::exception& error) {
    what = error.what();
    no_memory = absl::StrContains(absl::AsciiStrToLower(what), "memory");
  }
  const std::string message = absl::StrCat("datastore: ", what);
  return no_memory ? absl::ResourceExhaustedError(message) : absl::DataLossError(message);
}

using Exact = hnswlib::BruteforceSearch<float>;
using Graph = hnswlib::HierarchicalNSW<float>;

template <typename Search>
class IndexOf final : public NeighbourIndex {
 public:
  static constexpr bool kIsGraph = std::is_same_v<Search, Graph>;

  explicit IndexOf(int64_t dim) : space_(dim) {}

  absl::Status Make(int64_t capacity) {
    return Guarded([&] {
      if constexpr (kIsGraph) {
        search_ = std::make_unique<Graph>(&space_, capacity, kLinks, kBuildWidth);
        search_->setEf(kSearchWidth);
      } else {
        search_ = std::make_unique<Exact>(&space_, capacity);
        CheckMade();
        std::fill_n(search_->data_, capacity * search_->size_per_element_, 0);
      }
    });
  }

  absl::Status Load(const std::string& path, bool grows) {
    STRATA_RETURN_IF_ERROR(CheckFile(path));
    return Guarded([&] {
      if constexpr (!kIsGraph) {
        // The library would read into nothing where there is no memory for it.
        const std::unique_ptr<char[]> room(new char[fs::file_size(path)]);
      }
      search_ = std::make_unique<Search>(&space_, path);
      CheckMade();
      if constexpr (kIsGraph) {
        search_->num_deleted_ = 0;  // the library leaves it to chance
        search_->setEf(kSearchWidth);
        if (grows) return;
        search_->label_lookup_ = {};
        std::vector<std::mutex>().swap(search_->link_list_locks_);
        std::vector<std::mutex>().swap(search_->link_list_update_locks_);
      }
    });
  }

  absl::Status Add(absl::Span<const float> key, Item next) override {
    const std::vector<uint16_t> stored = StoredKey(key);
    const int64_t entry = size();
    return Guarded([&] {
      if constexpr (kIsGraph) {
        // A key's height depends on its number alone, not on who has been added since
        // the index was opened.
        search_->level_generator_.seed(
            static_cast<uint32_t>(1 + RandomBits(1, 0x6B6E6E, entry) % 0x7FFFFFFD));
      }
      search_->addPoint(stored.data(), LabelOf(entry, next));
    });
  }

  absl::StatusOr<std::vector<Neighbour>> Find(absl::Span<const float> query,
                                              int k) const override {
    const std::vector<uint16_t> stored = StoredKey(query);
    std::vector<Neighbour> found;
    STRATA_RETURN_IF_ERROR(Guarded([&] {
      auto queue = search_->searchKnn(
          stored.data(), static_cast<size_t>(std::min<int64_t>(k, size())));
      for (; !queue.empty(); queue.pop()) {
        const auto [distance, label] = queue.top();
        found.push_back({distance, static_cast<int64_t>(label >> 16),
                         static_cast<Item>(label & 0xFFFF)});
      }
    }));
    std::sort(found.begin(), found.end(), [](const Neighbour& a, const Neighbour& b) {
      return std::pair(a.distance, a.entry) < std::pair(b.distance, b.entry);
    });
    return found;
  }

  absl::Status Save(const std::string& path) const override {
    STRATA_RETURN_IF_ERROR(Guarded([&] { search_->saveIndex(path); }));
    // The library does not look whether what it writes arrives.
    std::error_code error;
    const uintmax_t bytes = fs::file_size(path, error);
    if (error || static_cast<int64_t>(bytes) != file_bytes()) {
      return absl::ResourceExhaustedError(absl::StrCat(
          path, " cannot be written: ", error ? 0 : bytes, " of ", file_bytes(),
          " bytes arrived; is the disk full?"));
    }
    return SyncPath(path);
  }

  int64_t size() const override {
    return static_cast<int64_t>(search_->cur_element_count);
  }
  Item largest_item() const override {
    Item largest = 0;
    for (int64_t i = 0; i < size(); ++i) {
      hnswlib::labeltype label;
      if constexpr (kIsGraph) {
        label = search_->getExternalLabel(static_cast<hnswlib::tableint>(i));
      } else {
        std::memcpy(&label, search_->data_ + i * each() + search_->data_size_,
                    sizeof(label));
      }
      largest = std::max(largest, static_cast<Item>(label & 0xFFFF));
    }
    return largest;
  }
  int64_t capacity() const override {
    if constexpr (kIsGraph) return static_cast<int64_t>(search_->max_elements_);
    else return static_cast<int64_t>(search_->maxelements_);
  }
  int64_t bytes() const override {
    if constexpr (!kIsGraph) return capacity() * each();
    // Beside the keys: a pointer, a height, the marks of a reader.
    return capacity() * (each() + 8 + 4 + 2) + upper_links();
  }

 private:
  // The library's constructors do not look whether there was memory.
  void CheckMade() const {
    if constexpr (!kIsGraph) {
      if (search_->data_ == nullptr) throw std::bad_alloc();
    }
  }

  int64_t each() const {
    if constexpr (kIsGraph) return static_cast<int64_t>(search_->size_data_per_element_);
    else return static_cast<int64_t>(search_->size_per_element_);
  }
  int64_t upper_links() const {
    int64_t bytes = 0;
    if constexpr (kIsGraph) {
      for (int64_t i = 0; i < size(); ++i) {
        bytes += search_->element_levels_[i] *
                 static_cast<int64_t>(search_->size_links_per_element_);
      }
    }
    return bytes;
  }
  int64_t file_bytes() const {
    if constexpr (!kIsGraph) return 3 * 8 + capacity() * each();
    return kGraphHeader + size() * (each() + 4) + upper_links();
  }

  // What the library takes for granted: its head, and that there is as much as that
  // says. Both kinds begin with three or four numbers of 64 bits.
  absl::Status CheckFile(const std::string& path) {
    const auto lost = [&](absl::string_view why) {
      return absl::DataLossError(absl::StrCat(path, ": ", why));
    };
    std::error_code error;
    const auto bytes = static_cast<int64_t>(fs::file_size(path, error));
    if (error) return ErrnoStatus(error.value(), "open", path);
    uint64_t head[4] = {};
    std::ifstream file(path, std::ios::binary);
    if (!file.read(reinterpret_cast<char*>(head), sizeof(head))) return lost("is too short");
    const auto [begin, room, count, width] =
        kIsGraph ? std::tuple(head[0], head[1], head[2], head[3])
                 : std::tuple(uint64_t{0}, head[0], head[2], head[1]);
    const uint64_t stored = space_.get_data_size() + sizeof(hnswlib::labeltype);
    const uint64_t links = kIsGraph ? 4 * (2 * kLinks + 1) : 0;
    if (begin != 0 || width != stored + links) {
      return lost("is no index of keys of this width");
    }
    if (count < 1 || count > room || room > uint64_t{1} << 31) {
      return lost("has a count of keys that cannot be");
    }
    const uint64_t whole = kIsGraph ? kGraphHeader + count * (width + 4) : 24 + room * width;
    const bool fits = kIsGraph ? static_cast<uint64_t>(bytes) >= whole
                               : static_cast<uint64_t>(bytes) == whole;
    return fits ? absl::OkStatus() : lost("has not the size that its head says");
  }

  // Bytes before the first key: eleven numbers of 64 bits and two of 32.
  static constexpr int64_t kGraphHeader = 11 * 8 + 2 * 4;

  KeySpace space_;
  std::unique_ptr<Search> search_;
};

template <typename Search, typename Fill>
absl::StatusOr<std::unique_ptr<NeighbourIndex>> Made(int64_t dim, Fill fill) {
  auto index = std::make_unique<IndexOf<Search>>(dim);
  STRATA_RETURN_IF_ERROR(fill(index.get()));
  return std::unique_ptr<NeighbourIndex>(std::move(index));
}

}  // namespace

absl::StatusOr<std::unique_ptr<NeighbourIndex>> NeighbourIndex::Create(
    Kind kind, int64_t dim, int64_t capacity) {
  const auto make = [&](auto* index) { return index->Make(capacity); };
  return kind == Kind::kGraph ? Made<Graph>(dim, make) : Made<Exact>(dim, make);
}

absl::StatusOr<std::unique_ptr<NeighbourIndex>> NeighbourIndex::Open(
    Kind kind, int64_t dim, const std::string& path, bool grows) {
  const auto load = [&](auto* index) { return index->Load(path, grows); };
  return kind == Kind::kGraph ? Made<Graph>(dim, load) : Made<Exact>(dim, load);
}

}  // namespace strata
