#include "client/hash/hash_config.h"

#include <algorithm>
#include <cstddef>
#include <initializer_list>
#include <limits>

#include "absl/strings/str_cat.h"
#include "client/hash/file_reader.h"
#include "nlohmann/json.hpp"

namespace engram {
namespace {

using Json = nlohmann::json;

constexpr uint32_t kMaxPrimeFloor = std::numeric_limits<int32_t>::max();
constexpr uint32_t kMaxTokenId = std::numeric_limits<int32_t>::max();
constexpr uint32_t kMaxRowMultiple = 1 << 20;
constexpr uint32_t kMaxValuesPerRow = 1 << 20;
constexpr uint64_t kMaxSeed = std::numeric_limits<int64_t>::max();
constexpr uint64_t kMaxInt64 = std::numeric_limits<int64_t>::max();

absl::Status Invalid(absl::string_view what) { return absl::InvalidArgumentError(what); }

absl::Status CheckRange(absl::string_view name, uint64_t value, uint64_t min, uint64_t max) {
  if (value < min || value > max) {
    return Invalid(absl::StrCat(name, " is ", value, ": it must be ", min, " to ", max));
  }
  return absl::OkStatus();
}

// A per-layer list, if there is one, has one entry a layer.
absl::Status CheckPerLayer(absl::string_view name, size_t entries, const HashConfig& config) {
  if (entries != 0 && entries != config.layer_ids.size()) {
    return Invalid(
        absl::StrCat(name, " has ", entries, " entries for ", config.layer_ids.size(), " layers"));
  }
  return absl::OkStatus();
}

absl::Status CheckGeometry(const HashConfig& config) {
  for (const absl::Status& status : {
           CheckRange("the number of layers", config.layer_ids.size(), 1, HashConfig::kMaxLayers),
           CheckRange("max_ngram", config.max_ngram, 2, HashConfig::kMaxNgram),
           CheckRange("heads", config.heads, 1, HashConfig::kMaxHeads),
           CheckRange("values_per_row", config.values_per_row, 0, kMaxValuesPerRow),
           CheckRange("prime_floor", config.prime_floor, 0, kMaxPrimeFloor),
           CheckRange("vocab_size", config.vocab_size, 1, HashConfig::kMaxVocabSize),
           CheckRange("pad_token_id", config.pad_token_id, 0, kMaxTokenId),
           CheckRange("segment_end_token_id", config.segment_end_token_id.value_or(0), 0,
                      kMaxTokenId),
           CheckRange("row_multiple", config.row_multiple, 1, kMaxRowMultiple),
           CheckRange("seed", config.seed.value_or(0), 0, kMaxSeed),
           CheckPerLayer("expected_rows", config.expected_rows.size(), config),
           CheckPerLayer("multipliers", config.multipliers.size(), config),
       }) {
    if (!status.ok()) {
      return status;
    }
  }
  std::vector<uint32_t> ids = config.layer_ids;
  std::sort(ids.begin(), ids.end());
  if (auto twice = std::adjacent_find(ids.begin(), ids.end()); twice != ids.end()) {
    return Invalid(absl::StrCat("layer ", *twice, " is listed twice"));
  }
  return absl::OkStatus();
}

absl::Status CheckMultipliers(const HashConfig& config) {
  const uint64_t max_multiplier = kMaxInt64 / std::max(config.vocab_size - 1, 1u);
  for (size_t i = 0; i < config.multipliers.size(); ++i) {
    const std::vector<uint64_t>& layer = config.multipliers[i];
    if (layer.size() != config.max_ngram) {
      return Invalid(absl::StrCat("layer ", config.layer_ids[i], " has ", layer.size(),
                                  " multipliers for n-grams of up to ", config.max_ngram,
                                  " tokens"));
    }
    for (uint64_t multiplier : layer) {
      if (multiplier == 0 || multiplier > max_multiplier) {
        return Invalid(absl::StrCat("layer ", config.layer_ids[i], ": multiplier ", multiplier,
                                    " is not in 1 to ", max_multiplier,
                                    ", the most that keeps products of ", config.vocab_size,
                                    " ids below 2^63"));
      }
    }
  }
  return absl::OkStatus();
}

// Reads the keys of one object; the first thing wrong is kept and makes the later reads idle.
class KeyReader {
 public:
  explicit KeyReader(const Json& object) : object_(object) {}

  const absl::Status& status() const { return status_; }
  bool Has(const char* key) const { return object_.contains(key); }

  template <typename T>
  void Number(const char* key, T& out) {
    if (const Json* value = Find(key)) {
      Convert(key, *value, out);
    }
  }

  // A number, or the first of a list of them.
  template <typename T>
  void NumberOrFirst(const char* key, T& out) {
    if (const Json* value = Find(key)) {
      Convert(key, value->is_array() && !value->empty() ? value->front() : *value, out);
    }
  }

  template <typename T>
  void List(const char* key, std::vector<T>& out) {
    if (const Json* value = Find(key)) {
      ConvertList(key, *value, out);
    }
  }

  template <typename T>
  void ListOfLists(const char* key, std::vector<std::vector<T>>& out) {
    const Json* value = Find(key);
    if (value == nullptr || !ExpectArray(key, *value)) {
      return;
    }
    out.resize(value->size());
    for (size_t i = 0; i < out.size(); ++i) {
      ConvertList(key, (*value)[i], out[i]);
    }
  }

  void Fail(absl::string_view what) {
    if (status_.ok()) {
      status_ = Invalid(what);
    }
  }

 private:
  const Json* Find(const char* key) {
    auto found = object_.find(key);
    if (found == object_.end()) {
      Fail(absl::StrCat("the key ", key, " is missing"));
      return nullptr;
    }
    return &*found;
  }

  bool ExpectArray(const char* key, const Json& value) {
    if (!value.is_array()) {
      Fail(absl::StrCat(key, " must be a list, not ", value.type_name()));
    }
    return value.is_array();
  }

  template <typename T>
  void Convert(const char* key, const Json& value, T& out) {
    constexpr uint64_t kMax = std::numeric_limits<T>::max();
    if (!value.is_number_unsigned() || value.get<uint64_t>() > kMax) {
      Fail(absl::StrCat(key, " must be a whole number of at most ", kMax, ", not ",
                        value.is_number() ? value.dump() : value.type_name()));
      return;
    }
    out = value.get<T>();
  }

  template <typename T>
  void ConvertList(const char* key, const Json& value, std::vector<T>& out) {
    if (!ExpectArray(key, value)) {
      return;
    }
    out.resize(value.size());
    for (size_t i = 0; i < out.size(); ++i) {
      Convert(key, value[i], out[i]);
    }
  }

  const Json& object_;
  absl::Status status_;
};

HashConfig ReadDeepSeek(KeyReader& keys) {
  HashConfig config;
  uint32_t first_prime_from = 0;
  keys.List("engram_layer_ids", config.layer_ids);
  keys.Number("engram_max_ngram_size", config.max_ngram);
  keys.Number("engram_n_heads", config.heads);
  keys.Number("engram_head_dim", config.values_per_row);
  keys.Number("engram_vocab_size", first_prime_from);
  keys.Number("engram_compressed_vocab_size", config.vocab_size);
  keys.Number("engram_pad_token_id", config.pad_token_id);
  config.prime_floor = std::max(first_prime_from, 1u) - 1;
  config.seed = 0;
  if (keys.Has("engram_seed")) {
    keys.Number("engram_seed", *config.seed);
  }
  if (keys.Has("engram_num_embeddings")) {
    keys.List("engram_num_embeddings", config.expected_rows);
  }
  return config;
}

HashConfig ReadQwen(KeyReader& keys) {
  HashConfig config;
  uint32_t values_per_token = 0;
  keys.List("ple_layer_ids", config.layer_ids);
  keys.Number("ngram_size", config.max_ngram);
  keys.Number("heads_per_ngram", config.heads);
  keys.Number("ple_embed_dim", values_per_token);
  keys.Number("ngram_vocab_size_base", config.prime_floor);
  keys.Number("vocab_size", config.vocab_size);
  keys.NumberOrFirst("eos_token_id", config.pad_token_id);
  config.segment_end_token_id = config.pad_token_id;
  if (keys.Has("make_ngram_vocab_size_divisible_by")) {
    keys.Number("make_ngram_vocab_size_divisible_by", config.row_multiple);
  }
  if (keys.Has("ple_layer_multipliers")) {
    keys.ListOfLists("ple_layer_multipliers", config.multipliers);
  }
  const uint64_t row_count = uint64_t{std::max(config.max_ngram, 1u) - 1} * config.heads;
  if (row_count == 0 || values_per_token % row_count != 0) {
    keys.Fail(absl::StrCat("ple_embed_dim ", values_per_token, " does not divide into ngram_size ",
                           config.max_ngram, " with heads_per_ngram ", config.heads));
    return config;
  }
  config.values_per_row = static_cast<uint32_t>(values_per_token / row_count);
  return config;
}

absl::StatusOr<HashConfig> ReadObject(const Json& object) {
  KeyReader keys(object);
  HashConfig config = keys.Has("engram_layer_ids") ? ReadDeepSeek(keys) : ReadQwen(keys);
  if (!keys.status().ok()) {
    return keys.status();
  }
  for (const absl::Status& status : {CheckGeometry(config), CheckMultipliers(config)}) {
    if (!status.ok()) {
      return status;
    }
  }
  return config;
}

}  // namespace

absl::Status ValidateHashConfig(const HashConfig& config) {
  if (absl::Status status = CheckGeometry(config); !status.ok()) {
    return status;
  }
  if (config.seed.has_value() == !config.multipliers.empty()) {
    return Invalid(config.seed.has_value()
                       ? "both a seed and multipliers are given"
                       : "multipliers are missing: read them from the checkpoint, or give a seed");
  }
  return CheckMultipliers(config);
}

absl::StatusOr<HashConfig> ParseHashConfig(absl::string_view json) {
  const Json root = Json::parse(json.begin(), json.end(), nullptr, /*allow_exceptions=*/false);
  if (!root.is_object()) {
    return Invalid("the config is not a JSON object");
  }
  auto text_config = root.find("text_config");
  for (const Json* object : {&root, text_config != root.end() ? &*text_config : &root}) {
    if (object->contains("engram_layer_ids") || object->contains("ple_layer_ids")) {
      return ReadObject(*object);
    }
  }
  return Invalid("neither engram_layer_ids nor ple_layer_ids is in the config or its text_config");
}

absl::StatusOr<HashConfig> LoadHashConfig(const std::string& path) {
  absl::StatusOr<std::string> text = ReadWhole(path);
  if (!text.ok()) {
    return text.status();
  }
  absl::StatusOr<HashConfig> config = ParseHashConfig(*text);
  if (!config.ok()) {
    return absl::Status(config.status().code(),
                        absl::StrCat(path, ": ", config.status().message()));
  }
  return config;
}

}  // namespace engram
