# Loops over logits, for the vectors of each machine. Equal results on all of them:
# a * b + c is two roundings everywhere.
set(STRATA_LOGIT_SOURCES logit_loops_baseline.cc)
set(STRATA_LOGIT_FLAGS -O3 -ffp-contract=off)
set_source_files_properties(${CMAKE_CURRENT_SOURCE_DIR}/logit_loops_baseline.cc PROPERTIES
  COMPILE_OPTIONS "${STRATA_LOGIT_FLAGS}")
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  list(APPEND STRATA_LOGIT_SOURCES logit_loops_avx2.cc logit_loops_avx512.cc)
  set_source_files_properties(${CMAKE_CURRENT_SOURCE_DIR}/logit_loops_avx2.cc PROPERTIES
    COMPILE_OPTIONS "${STRATA_LOGIT_FLAGS};-mavx2")
  set_source_files_properties(${CMAKE_CURRENT_SOURCE_DIR}/logit_loops_avx512.cc PROPERTIES
    COMPILE_OPTIONS "${STRATA_LOGIT_FLAGS};-mavx512f")
endif()

# The torch-free faces: what a model is, without a tensor in sight.
strata_library(strata_model
  SOURCES
    availability.cc
    chat_template.cc
    classifier.cc
    dataset.cc
    dataset_line.cc
    datastore_spec.cc
    document_config.cc
    document_scope.cc
    field_check.cc
    file_io.cc
    inspect_selection.cc
    json_object.cc
    json_place.cc
    key_unions.cc
    knn_rule.cc
    line_reader.cc
    logit_weights.cc
    ${STRATA_LOGIT_SOURCES}
    manifest.cc
    model_config.cc
    model_config_json.cc
    parameter_count.cc
    neighbours.cc
    position_alibi.cc
    position_scheme.cc
    position_shape.cc
    position_xpos.cc
    presets.cc
    safetensors.cc
    safetensors_writer.cc
    sampling.cc
    scope_compressive.cc
    scope_dilated.cc
    scope_global_local.cc
    scope_rule.cc
    scope_strided.cc
    segment_rule.cc
    sentence_splitter.cc
    sentencepiece_file.cc
    sentencepiece_plugin.cc
    sentencepiece_tokenizer.cc
    sha256.cc
    stack_depth.cc
    state_layout.cc
    stream_availability.cc
    stream_levels.cc
    text_scan.cc
    tokenizer.cc
    tokenizer_training.cc
    train_spec.cc
    train_spec_json.cc
    trained_attention.cc
    trainer_wire.cc
    tree_availability.cc
    tree_nodes.cc
    unit_ends.cc
    unit_rule.cc
    version_dir.cc
  DEPS strata_base absl::status absl::statusor absl::strings absl::span
       nlohmann_json::nlohmann_json OpenSSL::Crypto ${CMAKE_DL_LIBS})
