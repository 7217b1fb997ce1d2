// A long prompt that is read beside other traffic.
#ifndef ENGRAM_TESTS_BENCH_PREFILL_LOAD_H_
#define ENGRAM_TESTS_BENCH_PREFILL_LOAD_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "client/engram_client.h"
#include "client/hash/ngram_hasher.h"
#include "client/row_pipeline.h"
#include "tests/bench/bench_daemon.h"

namespace engram::bench {

// Fetches the rows of a prompt in chunks, bulk fetches of all layers, a few under way, as fast as
// they come; by shared memory, with a client and a thread of its own.
class PrefillLoad {
 public:
  static constexpr uint32_t kChunkTokens = 4096;

  // tables: one for each of the hasher's layers;  tokens: the prompt
  // hasher and tokens outlive it
  static absl::StatusOr<std::unique_ptr<PrefillLoad>> Connect(
      const BenchDaemon& daemon, const NgramHasher& hasher, const std::vector<std::string>& tables,
      absl::Span<const uint32_t> tokens);
  ~PrefillLoad();

  // Starts; once.
  void Start();

  bool done() const { return done_.load(std::memory_order_acquire); }

  // Waits for the end, and returns how long it took.
  absl::StatusOr<absl::Duration> Finish();

 private:
  PrefillLoad(const NgramHasher& hasher, absl::Span<const uint32_t> tokens)
      : hasher_(hasher), tokens_(tokens) {}

  absl::Status Run();
  absl::StatusOr<RowPipeline::Step> Submit(absl::Span<const uint32_t> tokens,
                                           NgramHistory* history);

  const NgramHasher& hasher_;
  const absl::Span<const uint32_t> tokens_;
  std::unique_ptr<Client> client_;
  std::vector<std::unique_ptr<Table>> tables_;
  std::unique_ptr<RowPipeline> pipeline_;
  std::thread thread_;
  std::atomic<bool> done_{false};
  absl::Status status_;  // once done, as is time_
  absl::Duration time_;
};

}  // namespace engram::bench

#endif  // ENGRAM_TESTS_BENCH_PREFILL_LOAD_H_
