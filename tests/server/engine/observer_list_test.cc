// EngineObserverList tells each of its observers all that it is told.

#include "server/engine/observer_list.h"

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace strata {
namespace {

class Story final : public EngineObserver {
 public:
  void OnRejected(absl::string_view reason) override { Note("rejected ", reason); }
  void OnAdmitted(absl::string_view model, int64_t n) override { Note(model, n); }
  void OnStarted(double seconds) override { Note("started ", seconds); }
  void OnFirstItem(double seconds) override { Note("first ", seconds); }
  void OnInterItem(double seconds) override { Note("between ", seconds); }
  void OnItems(int64_t prompt, int64_t made) override { Note("items ", prompt, "/", made); }
  void OnCancelled(RequestPhase p) override { Note("cancelled ", static_cast<int>(p)); }
  void OnDeadlineExceeded(RequestPhase p) override { Note("late ", static_cast<int>(p)); }
  void OnEnded(absl::string_view how, double seconds) override { Note(how, seconds); }
  void OnStep(double seconds, int64_t rows, int64_t items) override {
    Note("step ", seconds, "/", rows, "/", items);
  }
  void OnHeld(int64_t rows) override { Note("held ", rows); }
  void OnDrafts(int64_t made, int64_t held) override { Note("drafts ", made, "/", held); }
  void OnPrefixLookup(int64_t items) override { Note("prefix ", items); }
  void OnPrefixesEvicted(int64_t count) override { Note("evicted ", count); }
  void OnPrefixBytes(int64_t bytes) override { Note("bytes ", bytes); }
  void OnLevels(int64_t queued, int64_t bytes, int64_t running, int64_t state) override {
    Note("levels ", queued, "/", bytes, "/", running, "/", state);
  }

  std::vector<std::string> lines;

 private:
  template <typename... Parts>
  void Note(const Parts&... parts) {
    lines.push_back(absl::StrCat(parts...));
  }
};

void TellAll(EngineObserver* observer) {
  observer->OnRejected("FULL");
  observer->OnAdmitted("m", 1);
  observer->OnStarted(2);
  observer->OnFirstItem(3);
  observer->OnInterItem(4);
  observer->OnItems(5, 6);
  observer->OnCancelled(RequestPhase::kPrefill);
  observer->OnDeadlineExceeded(RequestPhase::kDecode);
  observer->OnEnded("eos", 7);
  observer->OnStep(8, 9, 10);
  observer->OnHeld(11);
  observer->OnDrafts(12, 13);
  observer->OnPrefixLookup(14);
  observer->OnPrefixesEvicted(15);
  observer->OnPrefixBytes(16);
  observer->OnLevels(17, 18, 19, 20);
}

TEST(EngineObserverListTest, TellsEachOneAll) {
  Story alone, first, second;
  TellAll(&alone);
  ASSERT_EQ(alone.lines.size(), 16u);
  EngineObserverList list({&first, &second});
  TellAll(&list);
  EXPECT_EQ(first.lines, alone.lines);
  EXPECT_EQ(second.lines, alone.lines);
}

}  // namespace
}  // namespace strata
