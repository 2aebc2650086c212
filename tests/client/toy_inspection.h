#pragma once
// The answer of an Inspect of a model of two levels, blocks of 4 and two heads, that
// looks at the item before, made for a text of any length and any bytes.

#include <cstdint>
#include <string>

#include "strata/v1/inspect.pb.h"

namespace strata {

// A decoder over `items`: each position looks at the one before, the first at itself.
inline void AddToyDecoder(v1::InspectedLevel* level) {
  v1::InspectedStack* stack = level->add_stacks();
  stack->set_kind(v1::STACK_KIND_DECODER);
  stack->set_scope("full");
  stack->set_layers(1);
  stack->add_keys()->set_kind(v1::KEY_KIND_START);
  for (const v1::ByteSpan& item : level->items()) {
    v1::InspectedKey* key = stack->add_keys();
    key->set_kind(v1::KEY_KIND_ITEM);
    key->set_begin_byte(item.begin_byte());
    key->set_end_byte(item.end_byte());
  }
  stack->set_positions(stack->keys_size());
  for (int head = 0; head < 2; ++head) {
    v1::AttentionMap* map = stack->add_maps();
    map->set_head(head);
    for (int i = 0; i < stack->positions(); ++i) {
      v1::AttentionRow* row = map->add_rows();
      v1::AttentionLink* link = row->add_links();
      link->set_key(i > 0 ? i - 1 : 0);
      link->set_weight(0.75);
      row->set_rest(0.25);
    }
  }
}

inline v1::InspectResponse ToyInspection(const std::string& text) {
  const auto bytes = static_cast<int64_t>(text.size());
  v1::InspectResponse response;
  response.set_model("m@1");
  response.set_bytes(bytes);
  response.set_bits_per_byte(2);
  for (int64_t i = 0; i < bytes; ++i) response.add_surprise_bits(i % 12);
  v1::InspectedLevel* low = response.add_levels();
  v1::InspectedLevel* high = response.add_levels();
  low->set_heads(2);
  high->set_heads(2);
  high->set_level(1);
  low->add_items();
  for (int64_t i = 0; i < bytes; ++i) {
    v1::ByteSpan* item = low->add_items();
    item->set_begin_byte(i);
    item->set_end_byte(i + 1);
  }
  v1::InspectedPooling* pooling = low->mutable_pooling();
  pooling->set_rule("attention");
  for (int64_t begin = 0; begin + 4 <= bytes + 1; begin += 4) {
    v1::PooledUnit* unit = pooling->add_units();
    unit->set_begin_item(begin);
    unit->set_end_item(begin + 4);
    for (int head = 0; head < 2; ++head) {
      v1::PoolingHead* weights = unit->add_heads();
      weights->set_head(head);
      for (const float weight : {0.1f, 0.2f, 0.3f, 0.4f}) weights->add_weights(weight);
    }
    v1::ByteSpan* item = high->add_items();
    item->set_begin_byte(begin > 0 ? begin - 1 : 0);
    item->set_end_byte(begin + 3);
  }
  AddToyDecoder(low);
  AddToyDecoder(high);
  return response;
}

}  // namespace strata
