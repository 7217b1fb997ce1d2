// A daemon in a process of its own, with the benchmark's table.
#ifndef ENGRAM_TESTS_BENCH_BENCH_DAEMON_H_
#define ENGRAM_TESTS_BENCH_BENCH_DAEMON_H_

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "client/engram_client.h"
#include "storage/table_spec.h"
#include "tests/bench/child_process.h"
#include "tests/bench/measure.h"

namespace engram::bench {

inline constexpr absl::Duration kStartTimeout = absl::Seconds(60);

// A client of it, and kBenchTable.
struct BenchClient {
  std::unique_ptr<Client> client;
  std::unique_ptr<Table> table;
};

class BenchDaemon {
 public:
  // Imports a table of that spec, and starts a daemon that holds it whole in RAM; all in `dir`.
  static absl::StatusOr<std::unique_ptr<BenchDaemon>> StartWhole(const storage::TableSpec& spec,
                                                                 const ScratchDir& dir);

  // Imports a table of that spec into `data_dir`.
  static absl::Status ImportTable(const storage::TableSpec& spec, const std::string& data_dir);

  // Imports a checkpoint as `name` into `data_dir`.
  static absl::Status ImportCheckpoint(const std::string& checkpoint, const std::string& name,
                                       const std::string& data_dir);

  // Starts a daemon on `data_dir`, and waits until it listens.
  //   flags: engramd's own, but for --data-dir and --socket
  static absl::StatusOr<std::unique_ptr<BenchDaemon>> Start(const std::string& data_dir,
                                                            absl::Span<const std::string> flags);

  // `shared_memory_bytes`: as ClientOptions; where it is not 0, memory must be shared.
  absl::StatusOr<BenchClient> Connect(uint64_t shared_memory_bytes) const;
  // The same without a table.
  absl::StatusOr<std::unique_ptr<Client>> ConnectClient(uint64_t shared_memory_bytes) const;

  // Waits until all rows of the batches come from RAM.
  //   INTERNAL  they do not
  absl::Status AwaitAllInRam(const std::vector<std::vector<storage::RowId>>& batches) const;

  // Reads of the device so far, for all tables.
  absl::StatusOr<uint64_t> NvmeReads() const;

  // As `engramctl rebalance`: returns when RAM has moved to where it saves most, or when no table
  // has wanted what is free for ten seconds.
  //   FAILED_PRECONDITION  too little traffic was seen
  absl::Status Rebalance() const;

  double CpuSeconds() const { return process_->CpuSeconds(); }
  uint64_t ResidentBytes() const { return process_->ResidentBytes(); }
  // From the start of the process until it listened.
  absl::Duration start_time() const { return start_time_; }

 private:
  BenchDaemon(std::unique_ptr<ChildProcess> process, std::string socket)
      : process_(std::move(process)), socket_(std::move(socket)) {}

  const std::unique_ptr<ChildProcess> process_;
  const std::string socket_;
  absl::Duration start_time_;
};

}  // namespace engram::bench

#endif  // ENGRAM_TESTS_BENCH_BENCH_DAEMON_H_
