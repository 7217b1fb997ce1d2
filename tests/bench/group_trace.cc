#include "tests/bench/group_trace.h"

#include <algorithm>
#include <cstddef>
#include <random>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "client/hash/hash_config.h"
#include "client/hash/ngram_hasher.h"
#include "client/hash/token_map.h"
#include "client/hash/trace.h"
#include "storage/placement/ngram_orders.h"
#include "storage/ram/group_hash.h"
#include "storage/table_spec.h"

namespace engram::bench {
namespace {

constexpr size_t kChunkTokens = 4096;
constexpr uint64_t kHashSeed = 1;
// Leaves numbers for a scan.
constexpr uint64_t kMaxAccesses = uint64_t{1} << 31;

absl::StatusOr<size_t> FindLayer(const NgramHasher& hasher, const GroupTraceOptions& options) {
  if (!options.layer.has_value()) return 0;
  const auto& layers = hasher.layers();
  const auto found = std::find_if(layers.begin(), layers.end(), [&](const LayerHash& layer) {
    return layer.layer_id == *options.layer;
  });
  if (found == layers.end()) {
    return absl::InvalidArgumentError(
        absl::StrCat(options.config, " has no Engram layer ", *options.layer));
  }
  return found - layers.begin();
}

storage::TableSpec SpecOf(const NgramHasher& hasher, size_t layer) {
  storage::TableSpec spec;
  spec.rows = hasher.layers()[layer].rows;
  spec.group_size = static_cast<uint32_t>(hasher.heads());
  for (uint32_t order = 2; order <= hasher.max_ngram(); ++order) spec.orders.push_back(order);
  return spec;
}

// Hashes traces, and numbers their groups.
class GroupNumberer {
 public:
  GroupNumberer(const NgramHasher& hasher, size_t layer)
      : hasher_(hasher), layer_(layer), spec_(SpecOf(hasher, layer)), orders_(spec_) {}

  // Appends the numbers of the trace's groups.
  //   path: what messages call the trace
  absl::Status Append(const std::string& path, const TokenTrace& trace,
                      std::vector<uint32_t>* accesses) {
    accesses->reserve(trace.tokens.size() * spec_.orders.size());
    size_t first_token = 0;
    for (size_t i = 0; i < trace.documents(); ++i) {
      const absl::Span<const uint32_t> document = trace.document(i);
      NgramHistory history = hasher_.SegmentStart();
      for (size_t at = 0; at < document.size(); at += kChunkTokens) {
        const absl::Status status =
            AppendChunk(document.subspan(at, kChunkTokens), &history, accesses);
        if (!status.ok()) {
          return absl::Status(status.code(), absl::StrCat(path, ", from token ", first_token + at,
                                                          " on: ", status.message()));
        }
      }
      first_token += document.size();
    }
    return absl::OkStatus();
  }

  const storage::TableSpec& spec() const { return spec_; }
  const std::vector<storage::GroupKey>& keys() const { return keys_; }
  std::vector<storage::GroupKey> TakeKeys() { return std::move(keys_); }

 private:
  absl::Status AppendChunk(absl::Span<const uint32_t> tokens, NgramHistory* history,
                           std::vector<uint32_t>* accesses) {
    batch_.Clear();
    if (absl::Status status = hasher_.Append(tokens, *history, batch_); !status.ok()) return status;
    row_ids_.resize(batch_.positions() * hasher_.ids_per_position());
    absl::Status status = hasher_.Hash(layer_, batch_, absl::MakeSpan(row_ids_));
    for (size_t at = 0; at < row_ids_.size() && status.ok(); at += spec_.group_size) {
      accesses->push_back(NumberOf(&row_ids_[at]));
    }
    return status;
  }

  uint32_t NumberOf(const storage::RowId* ids) {
    const uint64_t hash =
        storage::HashGroup(ids, spec_.group_size * sizeof(storage::RowId), kHashSeed);
    const auto [found, is_new] = numbers_.try_emplace(hash, static_cast<uint32_t>(keys_.size()));
    if (is_new) keys_.push_back({.hash = hash, .order = orders_.IndexOf(ids[0])});
    return found->second;
  }

  const NgramHasher& hasher_;
  const size_t layer_;
  const storage::TableSpec spec_;
  const storage::NgramOrders orders_;
  NgramBatch batch_;
  std::vector<storage::RowId> row_ids_;
  absl::flat_hash_map<uint64_t, uint32_t> numbers_;
  std::vector<storage::GroupKey> keys_;
};

}  // namespace

GroupTraceOptions WithDefaults(GroupTraceOptions options) {
  const std::string data = ENGRAM_TEST_DATA;
  if (options.trace.empty()) {
    options.trace = data + "/prose_excerpt.u32.zst";
    if (options.docs.empty()) options.docs = data + "/prose_excerpt.docs.txt";
  }
  if (options.config.empty()) options.config = data + "/v41_config.json";
  if (options.token_map.empty()) options.token_map = data + "/token_map.u32.zst";
  return options;
}

absl::StatusOr<NgramHasher> LoadHasher(const GroupTraceOptions& options) {
  const absl::StatusOr<HashConfig> config = LoadHashConfig(options.config);
  if (!config.ok()) return config.status();
  absl::StatusOr<std::vector<uint32_t>> map = LoadTokenMap(options.token_map);
  if (!map.ok()) return map.status();
  absl::StatusOr<NgramHasher> hasher = NgramHasher::Create(*config, *std::move(map));
  if (!hasher.ok()) {
    return absl::Status(
        hasher.status().code(),
        absl::StrCat(options.config, " with ", options.token_map, ": ", hasher.status().message()));
  }
  return hasher;
}

absl::StatusOr<GroupTrace> ReadGroupTrace(const GroupTraceOptions& options) {
  const absl::StatusOr<NgramHasher> hasher = LoadHasher(options);
  if (!hasher.ok()) return hasher.status();
  const absl::StatusOr<size_t> layer = FindLayer(*hasher, options);
  if (!layer.ok()) return layer.status();
  absl::StatusOr<TokenTrace> tokens = ReadTrace(options.trace, options.docs);
  if (!tokens.ok()) return tokens.status();
  TokenTrace seed;
  if (!options.seed_trace.empty()) {
    absl::StatusOr<TokenTrace> read = ReadTrace(options.seed_trace, options.seed_docs);
    if (!read.ok()) return read.status();
    seed = *std::move(read);
  }
  GroupNumberer numberer(*hasher, *layer);
  GroupTrace trace = {.tokens = tokens->tokens.size(),
                      .layer_id = hasher->layers()[*layer].layer_id,
                      .group_size = numberer.spec().group_size,
                      .orders = static_cast<uint32_t>(numberer.spec().orders.size())};
  const uint64_t most = kMaxAccesses / trace.orders;
  if (trace.tokens + seed.tokens.size() > most) {
    return absl::InvalidArgumentError(absl::StrCat(options.trace, ": with the seed's, ",
                                                   trace.tokens + seed.tokens.size(),
                                                   " tokens are more than ", most));
  }
  absl::Status status = numberer.Append(options.trace, *tokens, &trace.accesses);
  trace.distinct = static_cast<uint32_t>(numberer.keys().size());
  if (status.ok()) status = numberer.Append(options.seed_trace, seed, &trace.seed);
  if (!status.ok()) return status;
  trace.keys = numberer.TakeKeys();
  return trace;
}

GroupTrace WithScan(GroupTrace trace, uint32_t scan_groups) {
  std::mt19937_64 random(1);
  const std::vector<uint32_t> accesses = std::move(trace.accesses);
  const size_t half = accesses.size() / 2;
  trace.accesses.assign(accesses.data(), accesses.data() + half);
  trace.accesses.reserve(accesses.size() + scan_groups);
  uint64_t scanned = 0;
  for (size_t i = half; i < accesses.size(); ++i) {
    trace.accesses.push_back(accesses[i]);
    const uint64_t due = uint64_t{scan_groups} * (i + 1 - half) / (accesses.size() - half);
    for (; scanned < due; ++scanned) {
      trace.accesses.push_back(trace.groups());
      trace.keys.push_back(
          {.hash = random(), .order = static_cast<uint32_t>(scanned % trace.orders)});
    }
  }
  return trace;
}

}  // namespace engram::bench
