// Classifiers in the repository: the config decides which loader opens a version.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "model/version_dir.h"
#include "server/registry/registry.h"
#include "tests/server/registry/registry_fixture.h"
#include "tests/testing/toy_classifier.h"

namespace strata {
namespace {

using ::testing::HasSubstr;

class RegistryClassifierTest : public RegistryTest {
 protected:
  RegistryClassifierTest() {
    registry = std::make_unique<ModelRegistry>(
        temp / "models", [this](const std::string& dir) { return Open(dir); },
        [this](const std::string&) {
          return std::make_shared<ToyClassifier>(nullptr, total_);
        });
  }

  std::string ClassifierResult(const std::string& name) {
    const std::string dir = temp / name;
    auto writer = DirWriter::Create(dir, "test");
    EXPECT_TRUE(writer.ok()) << writer.status();
    EXPECT_TRUE(writer->WriteFile("config.json",
                                  DocumentConfigToJson(ToyDocumentConfig()))
                    .ok());
    EXPECT_TRUE(
        writer->WriteFile("template.json", TemplateToJson(TemplateKind::kLabel))
            .ok());
    EXPECT_TRUE(writer->Commit({}).ok());
    return dir;
  }

  double total_ = 1.0;
};

TEST_F(RegistryClassifierTest, PublishesAndServesBesideModelsThatGenerate) {
  EXPECT_EQ(Publish("sorter", ClassifierResult("a"), "j1"), "sorter@1");
  EXPECT_EQ(Publish("writer", Result("b", "good"), "j2"), "writer@1");
  const auto sorter = registry->Resolve("sorter").value();
  EXPECT_NE(sorter->classifier, nullptr);
  EXPECT_EQ(sorter->weights, nullptr);
  EXPECT_EQ(sorter->template_kind, TemplateKind::kLabel);
  const auto writer = registry->Resolve("writer").value();
  EXPECT_EQ(writer->classifier, nullptr);
  EXPECT_NE(writer->weights, nullptr);
  EXPECT_EQ(loads.load(), 1);
}

TEST_F(RegistryClassifierTest, BrokenProbabilitiesAreNotPublished) {
  for (const double total : {1.5, std::nan("")}) {
    total_ = total;
    const auto refused =
        registry->Publish("sorter", ClassifierResult("a"), "j1");
    EXPECT_TRUE(absl::IsFailedPrecondition(refused.status()))
        << refused.status();
    EXPECT_THAT(refused.status().message(), HasSubstr("cannot classify"));
    EXPECT_TRUE(absl::IsNotFound(registry->Resolve("sorter").status()));
    std::filesystem::remove_all(temp / "a");
  }
}

TEST_F(RegistryClassifierTest, ServerWithoutALoaderSaysSo) {
  Publish("sorter", ClassifierResult("a"), "j1");
  Restart();  // as the fixture does: one loader
  ASSERT_TRUE(registry->LoadAll().ok());
  const absl::Status status = registry->Resolve("sorter").status();
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  EXPECT_THAT(status.message(), HasSubstr("no classifiers"));
}

}  // namespace
}  // namespace strata
