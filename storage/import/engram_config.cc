#include "storage/import/engram_config.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"
#include "storage/table_spec.h"

namespace engram::storage {
namespace {

using Json = nlohmann::json;

constexpr uint64_t kMaxLayers = 1024;
constexpr uint64_t kMaxLayerId = 1'000'000;
constexpr uint64_t kMaxNgramSize = 64;
constexpr uint64_t kMaxParts = 65536;

// Reads keys of one JSON object. The first thing that is wrong becomes status(); what is read then
// is 0 or empty.
class ConfigReader {
 public:
  ConfigReader(const Json& object, absl::string_view path) : object_(object), path_(path) {}

  const absl::Status& status() const { return status_; }

  bool Has(const char* key) const { return object_.contains(key) && !object_.at(key).is_null(); }

  uint64_t Number(const char* key, uint64_t least, uint64_t most) {
    if (!Has(key)) return Fail(absl::StrCat(key, " is missing"));
    return Check(object_.at(key), key, least, most);
  }

  std::vector<uint64_t> Numbers(const char* key, uint64_t least, uint64_t most) {
    std::vector<uint64_t> numbers;
    if (!Has(key) || !object_.at(key).is_array()) {
      Fail(absl::StrCat(key, Has(key) ? " is not a list" : " is missing"));
      return numbers;
    }
    for (const Json& element : object_.at(key)) {
      numbers.push_back(Check(element, key, least, most));
    }
    if (numbers.size() > kMaxLayers) Fail(absl::StrCat(key, " has too many elements"));
    return numbers;
  }

  // Layer ids: distinct, in the order of the file.
  std::vector<uint64_t> LayerIds(const char* key, uint64_t least) {
    std::vector<uint64_t> ids = Numbers(key, least, kMaxLayerId);
    const std::set<uint64_t> distinct(ids.begin(), ids.end());
    if (distinct.size() != ids.size()) Fail(absl::StrCat(key, " lists a layer twice"));
    return ids;
  }

  uint64_t Fail(absl::string_view what) {
    if (status_.ok()) status_ = absl::InvalidArgumentError(absl::StrCat(path_, ": ", what));
    return 0;
  }

 private:
  uint64_t Check(const Json& value, const char* key, uint64_t least, uint64_t most) {
    if (value.is_number_unsigned()) {
      const uint64_t number = value.get<uint64_t>();
      if (number >= least && number <= most) return number;
    }
    return Fail(absl::StrCat(key, " is not an integer from ", least, " to ", most));
  }

  const Json& object_;
  const absl::string_view path_;
  absl::Status status_;
};

std::vector<uint32_t> OrdersUpTo(uint64_t max_ngram) {
  std::vector<uint32_t> orders;
  for (uint32_t order = 2; order <= max_ngram; ++order) orders.push_back(order);
  return orders;
}

absl::StatusOr<EngramConfig> ReadDeepSeek(ConfigReader reader) {
  const std::vector<uint64_t> ids = reader.LayerIds("engram_layer_ids", 0);
  const std::vector<uint64_t> rows = reader.Numbers("engram_num_embeddings", 1, kMaxRows);
  if (rows.size() != ids.size()) {
    reader.Fail(absl::StrCat("engram_num_embeddings has ", rows.size(),
                             " elements, engram_layer_ids ", ids.size()));
  }
  EngramConfig config;
  config.orders = OrdersUpTo(reader.Number("engram_max_ngram_size", 2, kMaxNgramSize));
  config.group_size = static_cast<uint32_t>(reader.Number("engram_n_heads", 1, kMaxGroupSize));
  config.values_per_row = static_cast<uint32_t>(reader.Number("engram_head_dim", 1, kMaxRowBytes));
  config.values_text = absl::StrCat("engram_head_dim ", config.values_per_row);
  if (!reader.status().ok()) return reader.status();
  for (size_t i = 0; i < ids.size(); ++i) {
    const std::string embed = absl::StrCat("layers.", ids[i], ".engram.embed.");
    config.layers.push_back({.id = static_cast<uint32_t>(ids[i]),
                             .rows = rows[i],
                             .weights = {embed + "weight"},
                             .scale = embed + "scale"});
  }
  return config;
}

absl::StatusOr<EngramConfig> ReadQwen(ConfigReader reader) {
  const std::vector<uint64_t> ids = reader.LayerIds("ple_layer_ids", 1);
  EngramConfig config;
  config.orders = OrdersUpTo(reader.Number("ngram_size", 2, kMaxNgramSize));
  config.group_size = static_cast<uint32_t>(reader.Number("heads_per_ngram", 1, kMaxGroupSize));
  const uint64_t embed_dim = reader.Number("ple_embed_dim", 1, uint64_t{1} << 32);
  const uint64_t parts =
      reader.Has("split_ngram_parts") ? reader.Number("split_ngram_parts", 1, kMaxParts) : 0;
  if (!reader.status().ok()) return reader.status();
  const uint64_t heads = config.orders.size() * config.group_size;
  config.values_text =
      absl::StrCat("ple_embed_dim ", embed_dim, " for ", heads, " rows of a token");
  if (embed_dim % heads != 0 || embed_dim / heads > kMaxRowBytes) {
    reader.Fail(absl::StrCat(config.values_text, " gives no row length"));
    return reader.status();
  }
  config.values_per_row = static_cast<uint32_t>(embed_dim / heads);
  for (uint64_t id : ids) {
    EngramLayer layer;
    layer.id = static_cast<uint32_t>(id);
    const std::string embed =
        absl::StrCat("layers.", id - 1, ".ple.ple_embedding.ngram_embedding.");
    for (uint64_t part = 0; part < parts; ++part) {
      layer.weights.push_back(absl::StrCat(embed, "shard_", part, ".weight"));
    }
    if (parts == 0) layer.weights.push_back(embed + "weight");
    layer.scale = embed + "weight_scale";
    config.layers.push_back(std::move(layer));
  }
  return config;
}

}  // namespace

absl::StatusOr<EngramConfig> ParseEngramConfig(absl::string_view text, absl::string_view path) {
  const Json document = Json::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false);
  if (!document.is_object()) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": is not a JSON object"));
  }
  const auto inner = document.find("text_config");
  for (const Json* object : {inner == document.end() ? &document : &*inner, &document}) {
    if (!object->is_object()) continue;
    const auto names_layers = [&](const char* key) {
      const auto ids = object->find(key);
      return ids != object->end() && !ids->is_null() && !(ids->is_array() && ids->empty());
    };
    if (names_layers("engram_layer_ids")) return ReadDeepSeek(ConfigReader(*object, path));
    if (names_layers("ple_layer_ids")) return ReadQwen(ConfigReader(*object, path));
  }
  return absl::NotFoundError(absl::StrCat(
      path,
      ": names no Engram layers (engram_layer_ids or ple_layer_ids); a table can also be "
      "imported by the name of its tensor"));
}

}  // namespace engram::storage
