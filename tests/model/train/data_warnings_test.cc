// What is said of data that a run does not see as its owner thinks.

#include "model/train/data_warnings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace strata {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class Warnings : public TrainObserver {
 public:
  void OnStarted(int64_t, int, absl::string_view) override {}
  void OnProgress(const TrainProgress&) override {}
  void OnEval(const TrainEval&) override {}
  void OnCheckpoint(int64_t, absl::string_view, int64_t) override {}
  void OnWarning(absl::string_view code, absl::string_view message) override {
    said.push_back(std::string(code) + ": " + std::string(message));
  }
  Signal Poll() override { return Signal::kContinue; }
  std::vector<std::string> said;
};

// Documents of that many items: 3 are markers.
DataSplit Split(std::vector<int> train, std::vector<int> held_out) {
  DataSplit data;
  for (const int n : train) {
    data.train.push_back(CompletionDocument("", std::string(n - 3, 'x')));
  }
  for (const int n : held_out) {
    data.held_out.push_back(CompletionDocument("", std::string(n - 3, 'x')));
  }
  return data;
}

TEST(WarnOfCutDocuments, CountsThoseLongerThanARow) {
  Warnings none;
  WarnOfCutDocuments(Split({64, 10}, {64}), 64, &none);
  EXPECT_THAT(none.said, IsEmpty());
  Warnings some;
  WarnOfCutDocuments(Split({65, 10, 900}, {64, 70}), 64, &some);
  EXPECT_THAT(some.said,
              ElementsAre(AllOf(HasSubstr("DOCUMENTS_CUT: 3 of 5 documents"),
                                HasSubstr("spec.sequence sets to 64 items"),
                                HasSubstr("The longest has 900 items"))));
  DataSplit text = Split({900}, {});
  text.is_text = true;
  Warnings of_text;
  WarnOfCutDocuments(text, 64, &of_text);
  EXPECT_THAT(of_text.said, IsEmpty());
}

TEST(WarnOfSmallData, SaysWhenAStepHasRoomForMore) {
  Warnings warnings;
  WarnOfSmallData(TrainItems(Split({64, 10}, {90})), 74, "items", &warnings);
  EXPECT_THAT(warnings.said, IsEmpty());
  WarnOfSmallData(TrainItems(Split({64, 10}, {90})), 75, "items", &warnings);
  EXPECT_THAT(warnings.said, ElementsAre(HasSubstr("DATA_SMALL: there are 74 items")));
}

TEST(DataWarnings, FewerPiecesThanAskedForAreTold) {
  Warnings warnings;
  WarnOfFewerPieces(300, 300, &warnings);
  WarnOfFewerPieces(4000, 0, &warnings);  // none was to be trained
  EXPECT_THAT(warnings.said, IsEmpty());
  WarnOfFewerPieces(272, 300, &warnings);
  EXPECT_THAT(warnings.said,
              ElementsAre(HasSubstr("FEWER_PIECES: spec.tokenizer: 300 pieces were asked "
                                    "for; the tokeniser that was trained has 272")));
}

}  // namespace
}  // namespace strata
