#include "model/dataset.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "tests/model/faces/scratch_dir.h"

namespace strata {
namespace {

using ::testing::HasSubstr;

constexpr char kPair[] = R"({"prompt": "q", "completion": "a"})";
constexpr char kChat[] =
    R"({"messages": [{"role": "user", "content": "q"}, )"
    R"({"role": "assistant", "content": "a"}]})";

class DatasetTest : public ::testing::Test {
 protected:
  DatasetReport Validate(absl::string_view contents) {
    return ValidateDataset(dir_.Put("data", contents)).value();
  }
  // The first error as "line:column code"; "" for none.
  std::string First(absl::string_view contents) {
    const DatasetReport report = Validate(contents);
    const absl::Status read = ReadDataset(dir_ / "data").status();
    EXPECT_EQ(read.ok(), report.error_count == 0) << read;
    if (report.errors.empty()) return "";
    EXPECT_EQ(read.message(), DatasetErrorMessage(report));
    const DatasetError& e = report.errors.front();
    EXPECT_FALSE(e.message.empty());
    return absl::StrCat(e.line, ":", e.column, " ", e.code);
  }
  // As the second line of a completion or chat file.
  std::string Second(const char* first, absl::string_view line) {
    return First(absl::StrCat(first, "\n", line, "\n"));
  }
  ScratchDir dir_;
};

TEST_F(DatasetTest, DetectsTheFormat) {
  EXPECT_EQ(Validate(kChat).kind, TemplateKind::kChat);
  EXPECT_EQ(Validate(kPair).kind, TemplateKind::kCompletion);
  EXPECT_EQ(Validate(absl::StrCat("\n \r\n", kPair)).kind,
            TemplateKind::kCompletion);
  for (const char* text :
       {"To be", "[1]", "7", "\"x\"", "{\n  a\n}", "{\n}\n",
        "[Enter a ghost.]", "[{exits}, pursued]", "[\"a\", {\"b\": 1}]",
        "[{\"a\": 1} \"b\"]", "[ {\"a\": oops} ]", "[", "[{", "{\n"}) {
    const DatasetReport report = Validate(text);
    EXPECT_EQ(report.kind, TemplateKind::kText) << text;
    EXPECT_EQ(report.error_count, 0) << text;
  }
  EXPECT_GT(Validate("{ not json }").error_count, 0);  // not learnt as text
}

TEST_F(DatasetTest, JsonThatIsNotJsonLinesIsRefused) {
  EXPECT_EQ(First(absl::StrCat("[", kPair, ", ", kPair, "]")),
            "1:1 not_json_lines");
  EXPECT_EQ(First(absl::StrCat("\n  [\n ", kPair, ",\n", kPair, "\n]\n")),
            "2:3 not_json_lines");
  EXPECT_EQ(First(absl::StrCat("[", kPair, ", {\"prompt\": ")),  // damaged
            "1:1 not_json_lines");
  EXPECT_EQ(First("{\n  \"prompt\": \"q\",\n  \"completion\": \"a\"\n}\n"),
            "1:1 not_json_lines");
  EXPECT_THAT(DatasetErrorMessage(Validate("[{\"a\": [{\"]\": \"}\\\"\"}]}]")),
              HasSubstr("a JSON array; write each"));
}

TEST_F(DatasetTest, ReportAndDocumentsAgree) {
  for (const std::string& contents :
       {absl::StrCat(kChat, "\n", kChat, "\n\n"), absl::StrCat(kPair, "\r\n"),
        std::string("some text\r\nof two lines"), std::string("\n\nx\n"),
        std::string("\xEF\xBB\xBF" "marked")}) {
    const DatasetReport report = Validate(contents);
    EXPECT_EQ(report.error_count, 0) << DatasetErrorMessage(report);
    EXPECT_EQ(report.bytes, static_cast<int64_t>(contents.size()));
    const Dataset dataset = ReadDataset(dir_ / "data").value();
    EXPECT_EQ(dataset.kind, report.kind);
    EXPECT_EQ(report.documents, static_cast<int64_t>(dataset.documents.size()));
    int64_t items = 0;
    int64_t trained = 0;
    for (const Document& document : dataset.documents) {
      items += document.size();
      trained += document.TrainedItems();
    }
    EXPECT_EQ(report.items, items) << contents;
    EXPECT_EQ(report.trained_items, trained) << contents;
  }
}

TEST_F(DatasetTest, DocumentsAreRenderedByTheTemplate) {
  Validate(absl::StrCat(kPair, "\n", R"({"completion": "\u00e4", "prompt": "",)",
                        R"( "id": 7})", "\n"));
  const Dataset dataset = ReadDataset(dir_ / "data").value();
  ASSERT_EQ(dataset.documents.size(), 2u);
  EXPECT_EQ(dataset.documents[0], CompletionDocument("q", "a"));
  EXPECT_EQ(dataset.documents[1], CompletionDocument("", "\xC3\xA4"));
  Validate(kChat);
  EXPECT_EQ(ReadDataset(dir_ / "data")->documents[0],
            CompletionDocument("q", "a"));
}

TEST_F(DatasetTest, ATextIsOneDocumentToTheByte) {
  Validate("one\r\ntwo\n");
  EXPECT_EQ(ReadDataset(dir_ / "data")->documents[0],
            TextDocument("one\r\ntwo\n", true));
  EXPECT_EQ(Validate("one\r\ntwo\n").lines, 2);
  EXPECT_EQ(Validate("one\r\ntwo").lines, 2);
}

TEST_F(DatasetTest, AMarkIsStrippedFromTextAndRefusedInJson) {
  EXPECT_EQ(First("\xEF\xBB\xBFtext"), "");
  EXPECT_EQ(ReadDataset(dir_ / "data")->documents[0],
            TextDocument("text", true));
  EXPECT_EQ(First(absl::StrCat("\xEF\xBB\xBF", kPair)), "1:1 bom");
}

TEST_F(DatasetTest, EmptyFilesAreRefused) {
  for (const char* blank : {"", "\n", " \r\n\t\n", "\xEF\xBB\xBF\n"}) {
    EXPECT_EQ(First(blank), "1:1 empty_text");
  }
}

TEST_F(DatasetTest, BytesThatAreNotText) {
  EXPECT_EQ(First("ab\ncd\xFF" "e"), "2:3 not_utf8");
  EXPECT_EQ(First(std::string("ab\0c", 4)), "1:3 nul_byte");
  EXPECT_EQ(First("cut \xE2\x82"), "1:5 not_utf8");
  EXPECT_EQ(Second(kPair, "{\"prompt\": \"\xC0\xAF\"}"), "2:13 not_utf8");
  EXPECT_EQ(Second(kPair, std::string("{\0}", 3)), "2:2 nul_byte");
  EXPECT_EQ(Second(kPair, R"({"prompt": "a\u0000", "completion": "b"})"),
            "2:12 nul_byte");
}

TEST_F(DatasetTest, BrokenJsonHasAColumn) {
  EXPECT_EQ(Second(kPair, R"({"prompt": "q" "completion": "a"})"),
            "2:27 bad_json");
  EXPECT_EQ(Second(kPair, "nonsense"), "2:2 bad_json");
  EXPECT_EQ(Second(kPair, R"({"prompt": "\ud800", "completion": "a"})"),
            "2:19 bad_json");
  // Also where it is the first line: damaged JSON is not learnt as text.
  EXPECT_EQ(First(R"({"prompt": "q", "completion": )"), "1:31 bad_json");
  EXPECT_EQ(First(R"({"messages": [)"), "1:15 bad_json");
}

TEST_F(DatasetTest, MissingAndMistypedMembers) {
  EXPECT_EQ(Second(kPair, "[]"), "2:1 wrong_type");
  EXPECT_EQ(Second(kPair, R"({"prompt": "q"})"), "2:1 missing_field");
  EXPECT_EQ(Second(kPair, kChat), "2:1 missing_field");
  EXPECT_EQ(Second(kChat, kPair), "2:1 missing_field");
  EXPECT_EQ(First(R"({"text": "x"})"), "1:1 missing_field");
  EXPECT_EQ(Second(kPair, R"( {"prompt": 1, "completion": "a"})"),
            "2:13 wrong_type");
  EXPECT_EQ(Second(kChat, R"({"messages": "x"})"), "2:14 wrong_type");
  EXPECT_EQ(Second(kChat, R"({"messages": ["x"]})"), "2:15 wrong_type");
  EXPECT_EQ(Second(kChat, R"({"messages": [{"role": "user"}]})"),
            "2:15 missing_field");
  EXPECT_EQ(Second(kChat, R"({"messages": [{"role": "user", "content": null}]})"),
            "2:43 wrong_type");
  EXPECT_EQ(Second(kPair, R"({"prompt": "q", "prompt": "r", "completion": "a"})"),
            "2:17 duplicate_key");
}

TEST_F(DatasetTest, ChatsThatTeachNothing) {
  const auto chat = [&](absl::string_view messages) {
    return Second(kChat, absl::StrCat("{\"messages\": [", messages, "]}"));
  };
  const std::string user = R"({"role": "user", "content": "q"})";
  const std::string reply = R"({"role": "assistant", "content": "a"})";
  const std::string system = R"({"role": "system", "content": "s"})";
  EXPECT_EQ(chat(""), "2:14 empty_text");
  EXPECT_EQ(chat(user), "2:14 no_assistant_turn");
  EXPECT_EQ(chat(reply), "2:24 role_order");
  EXPECT_EQ(chat(absl::StrCat(user, ",", reply, ",", reply)),
            "2:95 role_order");
  EXPECT_EQ(chat(absl::StrCat(user, ",", system, ",", reply)),
            "2:57 role_order");
  EXPECT_EQ(chat(R"({"role": "bot", "content": "a"})"), "2:24 bad_role");
  EXPECT_EQ(chat(absl::StrCat(R"({"role": "user", "content": ""},)", reply)),
            "2:43 empty_text");
  EXPECT_EQ(chat(absl::StrCat(system, ",", user, ",", user, ",", reply)), "");
  EXPECT_EQ(Second(kPair, R"({"prompt": "q", "completion": ""})"),
            "2:31 empty_text");
}

TEST_F(DatasetTest, EveryErrorIsCountedAndTwentyAreKept) {
  std::string contents = absl::StrCat(kPair, "\n");
  for (int i = 0; i < 30; ++i) contents += "{}\n";
  const DatasetReport report = Validate(contents);
  EXPECT_EQ(report.error_count, 30);
  ASSERT_EQ(report.errors.size(), 20u);
  EXPECT_EQ(report.errors[19].line, 21);
  EXPECT_EQ(report.documents, 1);
  EXPECT_EQ(DatasetErrorMessage(report),
            "line 2, column 1: missing_field: \"prompt\" is missing (and 29 more)");
}

TEST_F(DatasetTest, AMessageNamesLineColumnCodeAndReason) {
  const std::string message =
      DatasetErrorMessage(Validate(absl::StrCat(kPair, "\n{\n")));
  EXPECT_THAT(message, HasSubstr("line 2, column 2: bad_json: "));
  EXPECT_EQ(DatasetErrorMessage(DatasetReport()), "");
}

TEST_F(DatasetTest, TheReportSaysWhatHoldsNineteenOfTwentyDocuments) {
  const auto file = [](std::vector<int> sizes) {
    std::string contents;  // documents of that many items: 3 are markers
    for (const int size : sizes) {
      absl::StrAppend(&contents, R"({"prompt": "", "completion": ")",
                      std::string(size - 3, 'x'), "\"}\n");
    }
    return contents;
  };
  EXPECT_EQ(Validate(file({512})).fitting_items, 512);
  EXPECT_EQ(Validate(file({513})).fitting_items, 1024);
  std::vector<int> sizes(19, 100);
  sizes.push_back(3000);
  EXPECT_EQ(Validate(file(sizes)).fitting_items, 128);
  sizes.push_back(3000);
  EXPECT_EQ(Validate(file(sizes)).fitting_items, 4096);
  EXPECT_EQ(Validate("text").fitting_items, 0);
}

TEST_F(DatasetTest, LinesLongerThanABufferAreWhole) {
  const std::string text(200000, 'x');
  EXPECT_EQ(Validate(absl::StrCat(R"({"prompt": "", "completion": ")", text,
                                  "\"}\n", kPair))
                .trained_items,
            200001 + 2);
  EXPECT_EQ(First(absl::StrCat(text, "\n", text, "\xFF")), "2:200001 not_utf8");
}

TEST_F(DatasetTest, ALineOfJsonHasALimitAndALineOfTextHasNone) {
  const std::string head = R"({"prompt": "", "completion": ")";
  const auto line = [&](int64_t bytes) {
    return absl::StrCat(head, std::string(bytes - head.size() - 2, 'x'), "\"}");
  };
  EXPECT_EQ(Second(kPair, line(kMaxDatasetLine)), "");
  EXPECT_EQ(Second(kPair, line(kMaxDatasetLine + 1)), "2:2097153 line_too_long");
  EXPECT_EQ(First(std::string(kMaxDatasetLine + 1, 'x')), "");
}

// Of what a line of the limit may hold; a parser that looks through all that came
// before did not end in ten minutes.
TEST_F(DatasetTest, ALineOfManyMembersOrElementsIsReadAtOnce) {
  std::string elements = R"({"messages": [{})";
  while (elements.size() + 8 < kMaxDatasetLine) elements += ",{}";
  EXPECT_EQ(First(elements + "]}"), "1:15 missing_field");
  std::string members = R"({"prompt": "q", "completion": "a")";
  for (int i = 0; members.size() + 24 < kMaxDatasetLine; ++i) {
    absl::StrAppend(&members, ",\"", i, "\":0");
  }
  EXPECT_EQ(First(members + "}"), "");
}

TEST_F(DatasetTest, ACharacterMayLieAcrossTwoPieces) {
  for (const char* character : {"\xC3\xA4", "\xE2\x82\xAC", "\xF0\x9F\x8C\x8D"}) {
    for (size_t before = 65536 - 4; before <= 65536; ++before) {
      const std::string text(before, 'x');
      EXPECT_EQ(First(absl::StrCat(text, character, "y")), "");
      EXPECT_EQ(ReadDataset(dir_ / "data")->documents[0],
                TextDocument(absl::StrCat(text, character, "y"), true));
      const std::string cut(character, strlen(character) - 1);
      EXPECT_EQ(First(absl::StrCat(text, cut, "\ny")),
                absl::StrCat("1:", before + 1, " not_utf8"));
      EXPECT_EQ(First(absl::StrCat(text, cut)),
                absl::StrCat("1:", before + 1, " not_utf8"));
    }
  }
}

// The peak of this process's memory so far, in kB.
int64_t PeakMemory() {
  std::ifstream status("/proc/self/status");
  std::string word;
  int64_t kilobytes = 0;
  while (status >> word && word != "VmHWM:") {
  }
  status >> kilobytes;
  return kilobytes;
}

TEST_F(DatasetTest, ALineOfTextIsNotHeld) {
  const std::string path = dir_.Put("data", std::string(64 << 20, 'x'));
  const pid_t child = fork();  // whose peak begins anew
  if (child == 0) {
    const int64_t before = PeakMemory();
    const auto report = ValidateDataset(path);
    const bool good = report.ok() && report->bytes == 64 << 20;
    _exit(good && PeakMemory() - before < 16 << 10 ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

TEST_F(DatasetTest, NoFileIsNotFound) {
  EXPECT_EQ(ValidateDataset(dir_ / "absent").status().code(),
            absl::StatusCode::kNotFound);
  EXPECT_EQ(ReadDataset(dir_.path()).status().code(),
            absl::StatusCode::kInternal);
}

constexpr char kGood[] = R"({"text": "fine", "label": "pos"})";
constexpr char kBad[] = R"({"text": "awful", "label": "neg"})";

TEST_F(DatasetTest, LabelledTextsKeepTheirBytesAndLabels) {
  const std::string contents = absl::StrCat(kGood, "\n", kBad, "\n\n", kGood);
  const DatasetReport report = Validate(contents);
  EXPECT_EQ(report.kind, TemplateKind::kLabel);
  EXPECT_EQ(report.error_count, 0);
  EXPECT_EQ(report.documents, 3);
  EXPECT_EQ(report.items, 4 + 5 + 4);
  EXPECT_EQ(report.trained_items, 3);
  EXPECT_THAT(report.labels, ::testing::ElementsAre("neg", "pos"));
  const Dataset dataset = ReadDataset(dir_ / "data").value();
  EXPECT_EQ(dataset.labels, report.labels);
  EXPECT_EQ(dataset.documents[1].label, "neg");
  EXPECT_THAT(dataset.documents[1].Items(),
              ::testing::ElementsAre('a', 'w', 'f', 'u', 'l'));
}

TEST_F(DatasetTest, LabelledTextsHaveTheirFaults) {
  EXPECT_EQ(Second(kGood, R"({"text": "x"})"), "2:1 missing_field");
  EXPECT_EQ(Second(kGood, R"({"label": "x"})"), "2:1 missing_field");
  EXPECT_EQ(Second(kGood, R"({"text": "x", "label": 1})"), "2:24 wrong_type");
  EXPECT_EQ(Second(kGood, R"({"text": "x", "label": ["a"]})"),
            "2:24 wrong_type");
  EXPECT_EQ(Second(kGood, R"({"text": " \n", "label": "x"})"),
            "2:10 empty_text");
  EXPECT_EQ(Second(kGood, R"({"text": "x", "label": ""})"), "2:24 bad_label");
  EXPECT_EQ(Second(kGood, absl::StrCat(R"({"text": "x", "label": ")",
                                       std::string(129, 'l'), "\"}")),
            "2:24 bad_label");
  EXPECT_EQ(Second(kGood, kPair), "2:1 missing_field");
  EXPECT_EQ(Second(kGood, kGood), "1:1 one_label");
}

TEST_F(DatasetTest, LabelsAreAtMostAThousand) {
  std::string contents;
  for (int i = 0; i < 1000; ++i) {
    absl::StrAppend(&contents, R"({"text": "x", "label": "l)", i, "\"}\n");
  }
  EXPECT_EQ(First(contents), "");
  absl::StrAppend(&contents, kGood, "\n", kBad, "\n");
  EXPECT_EQ(First(contents), "1001:27 too_many_labels");
  EXPECT_EQ(Validate(contents).error_count, 2);
}

}  // namespace
}  // namespace strata
