#include "tests/bench/hash_bench.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <random>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "client/hash/ngram_hasher.h"
#include "tests/bench/measure.h"

namespace engram::bench {
namespace {

constexpr uint32_t kTokenIds = 129280;
constexpr size_t kTokensPerRun = size_t{1} << 19;

HashConfig V41Config() {
  HashConfig config;
  config.layer_ids = {1, 14};
  config.max_ngram = 4;
  config.heads = 8;
  config.prime_floor = 15999999;
  config.vocab_size = 99092;
  config.pad_token_id = 2;
  config.seed = 0;
  return config;
}

// Hashes all tokens in chunks; returns the row ids made per second.
absl::StatusOr<double> RunOnce(const NgramHasher& hasher, absl::Span<const uint32_t> tokens,
                               size_t chunk_tokens) {
  NgramHistory history = hasher.SegmentStart();
  NgramBatch batch;
  std::vector<uint32_t> row_ids(chunk_tokens * hasher.ids_per_position());
  const auto start = std::chrono::steady_clock::now();
  for (size_t at = 0; at < tokens.size(); at += chunk_tokens) {
    batch.Clear();
    absl::Status status = hasher.Append(tokens.subspan(at, chunk_tokens), history, batch);
    const size_t ids = batch.positions() * hasher.ids_per_position();
    for (size_t layer = 0; layer < hasher.layers().size(); ++layer) {
      status.Update(hasher.Hash(layer, batch, absl::MakeSpan(row_ids.data(), ids)));
    }
    if (!status.ok()) {
      return status;
    }
  }
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  const size_t ids = tokens.size() * hasher.ids_per_position() * hasher.layers().size();
  return static_cast<double>(ids) / seconds.count();
}

}  // namespace

absl::StatusOr<nlohmann::json> RunHashBench(const HashBenchOptions& options) {
  if (options.chunk_tokens == 0 || options.rounds < kMinRounds) {
    return absl::InvalidArgumentError("hash: needs 5 rounds or more, and chunks that have tokens");
  }
  const HashConfig config = V41Config();
  std::mt19937 random(1);
  std::vector<uint32_t> map(kTokenIds);
  std::generate(map.begin(), map.end(), [&] { return random() % config.vocab_size; });
  std::vector<uint32_t> tokens(kTokensPerRun);
  std::generate(tokens.begin(), tokens.end(), [&] { return random() % kTokenIds; });
  absl::StatusOr<NgramHasher> hasher = NgramHasher::Create(config, std::move(map));
  if (!hasher.ok()) {
    return hasher.status();
  }
  std::vector<double> prefill;
  std::vector<double> decode;
  for (int round = 0; round < options.rounds; ++round) {
    const absl::StatusOr<double> chunks = RunOnce(*hasher, tokens, options.chunk_tokens);
    const absl::StatusOr<double> single = RunOnce(*hasher, tokens, 1);
    if (!chunks.ok() || !single.ok()) {
      return chunks.ok() ? single.status() : chunks.status();
    }
    prefill.push_back(*chunks);
    decode.push_back(*single);
  }
  return nlohmann::json{{"chunk_tokens", options.chunk_tokens},
                        {"rounds", options.rounds},
                        {"prefill_ids_per_s", Median(prefill)},
                        {"decode_ids_per_s", Median(decode)}};
}

}  // namespace engram::bench
