#pragma once
// A registry over a temporary repository, with a loader that reads a word:
// "good" weights load, "bad" ones are DATA_LOSS. The loader can be held at a
// gate to stand in the middle of a load.

#include <atomic>
#include <filesystem>
#include <fstream>
#include <set>
#include <thread>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "model/version_dir.h"
#include "server/registry/registry.h"
#include "tests/testing/fake_generator.h"
#include "tests/testing/temp_dir.h"

namespace strata {

namespace fs = std::filesystem;

class RegistryTest : public ::testing::Test {
 protected:
  RegistryTest() { Restart(); }

  // As after a crash: nothing but the folder is left.
  void Restart() {
    registry = std::make_unique<ModelRegistry>(
        temp / "models", [this](const std::string& dir) { return Open(dir); });
  }

  absl::StatusOr<std::shared_ptr<const LoadedModel>> Open(
      const std::string& dir) {
    gate.Pass();
    ++loads;
    const absl::StatusOr<Manifest> manifest = ReadManifest(dir, true);
    if (!manifest.ok()) return manifest.status();
    const auto weights = ReadFile(dir + "/weights");
    if (!weights.ok()) return weights.status();
    if (*weights == "bad") return absl::DataLossError("bad weights");
    return std::make_shared<FakeModel>();
  }

  // A finished version folder somewhere under the temporary folder.
  std::string Result(const std::string& name, const std::string& weights,
                     TemplateKind kind = TemplateKind::kChat) {
    const std::string dir = temp / name;
    auto writer = DirWriter::Create(dir, "test");
    EXPECT_TRUE(writer.ok()) << writer.status();
    EXPECT_TRUE(writer->WriteFile("weights", weights).ok());
    EXPECT_TRUE(writer->WriteFile("template.json", TemplateToJson(kind)).ok());
    EXPECT_TRUE(writer->Commit({{"step", "7"}}).ok());
    return dir;
  }
  std::string Put(const std::string& model, int version,
                  const std::string& weights = "good") {
    return Result(absl::StrCat("models/", model, "/", version), weights);
  }
  void WriteText(const std::string& path, const std::string& text) {
    std::ofstream(temp / path) << text;
  }
  std::string Publish(const std::string& model, const std::string& dir,
                      const std::string& job) {
    const auto name = registry->Publish(model, dir, job);
    EXPECT_TRUE(name.ok()) << name.status();
    return name.value_or("");
  }
  std::string LiveOf(const std::string& model) {
    const auto version = registry->Resolve(model);
    return version.ok() ? (*version)->name() : version.status().ToString();
  }
  // Every path of the repository.
  std::set<std::string> Tree() {
    std::set<std::string> paths;
    for (const auto& entry :
         fs::recursive_directory_iterator(temp / "models")) {
      paths.insert(entry.path().string());
    }
    return paths;
  }

  TempDir temp;
  StepGate gate;
  std::atomic<int> loads{0};
  std::unique_ptr<ModelRegistry> registry;
};

}  // namespace strata
