// make_model PRESET|CONFIG.json DIR: writes a version folder with fresh random weights, for
// benchmarks (speed does not depend on the values). Exits non-zero on error.

#include <cstdio>

#include "model/base/status_macros.h"
#include "model/chat_template.h"
#include "model/hierarchy/hierarchical_transformer.h"
#include "model/hierarchy/weights.h"
#include "model/version_dir.h"
#include "tests/bench/preset_or_file.h"

namespace strata {
namespace {

absl::Status MakeModel(const char* preset, const char* dir) {
  STRATA_ASSIGN_OR_RETURN(const ModelConfig config, PresetOrFile(preset));
  STRATA_ASSIGN_OR_RETURN(DirWriter writer, DirWriter::Create(dir, "bench"));
  HierarchicalTransformer model(config);
  STRATA_RETURN_IF_ERROR(
      SaveModelWeights(model, writer.path() + "/model.safetensors"));
  STRATA_RETURN_IF_ERROR(
      writer.WriteFile("config.json", ModelConfigToJson(config)));
  STRATA_RETURN_IF_ERROR(
      writer.WriteFile("template.json", TemplateToJson(TemplateKind::kText)));
  return writer.Commit({{"base", preset}});
}

}  // namespace
}  // namespace strata

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: make_model PRESET|CONFIG.json DIR\n");
    return 2;
  }
  const absl::Status status = strata::MakeModel(argv[1], argv[2]);
  if (!status.ok()) {
    std::fprintf(stderr, "%s\n", std::string(status.message()).c_str());
    return 1;
  }
  return 0;
}
