# The torch-free faces: what a model is, without a tensor in sight.
strata_library(strata_model
  SOURCES
    availability.cc
    chat_template.cc
    classifier.cc
    dataset.cc
    dataset_line.cc
    document_config.cc
    field_check.cc
    file_io.cc
    inspect_selection.cc
    json_object.cc
    json_place.cc
    line_reader.cc
    manifest.cc
    model_config.cc
    model_config_json.cc
    presets.cc
    safetensors.cc
    safetensors_writer.cc
    sampling.cc
    sentence_splitter.cc
    sha256.cc
    state_layout.cc
    text_scan.cc
    train_spec.cc
    train_spec_json.cc
    trainer_wire.cc
    tree_availability.cc
    tree_nodes.cc
    unit_rule.cc
    version_dir.cc
  DEPS strata_base absl::status absl::statusor absl::strings absl::span
       nlohmann_json::nlohmann_json OpenSSL::Crypto)
