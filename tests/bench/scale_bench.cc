#include "tests/bench/scale_bench.h"

#include <algorithm>
#include <memory>
#include <numeric>
#include <optional>
#include <random>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "client/engram_client.h"
#include "storage/table_spec.h"
#include "tests/bench/bench_daemon.h"
#include "tests/bench/bench_table.h"
#include "tests/bench/grpc_servers.h"
#include "tests/bench/measure.h"

namespace engram::bench {
namespace {

using storage::RowId;
using Batches = std::vector<std::vector<RowId>>;

constexpr uint64_t kSharedBytes = uint64_t{16} << 20;
constexpr int kGrowth = 4;

// A daemon, and a client of it.
struct Running {
  std::unique_ptr<BenchDaemon> daemon;
  BenchClient client;
  std::optional<RowBuffer> buffer;
};

// One size, and what was measured of it.
struct Size {
  storage::TableSpec spec;
  std::string data_dir;
  Batches hot;
  std::vector<double> start_ms = {};
  std::vector<double> memory_bytes = {};
  std::vector<double> cold_rows_per_s = {};
  std::vector<double> hot_rows_per_s = {};
};

class ScaleBench {
 public:
  ScaleBench(const ScaleBenchOptions& options, std::unique_ptr<ScratchDir> dir)
      : options_(options), dir_(std::move(dir)) {
    uint64_t bytes = options.table_bytes;
    for (int i = 0; i < options.sizes; ++i, bytes *= kGrowth) {
      const auto spec = BenchSpec(bytes, options.row_bytes, options.group_size);
      sizes_.push_back({.spec = spec,
                        .data_dir = dir_->Path(absl::StrCat("store", i)),
                        .hot = HotBatches(spec)});
    }
  }

  absl::StatusOr<nlohmann::json> Run() {
    absl::Status status;
    for (Size& size : sizes_) {
      status.Update(BenchDaemon::ImportTable(size.spec, size.data_dir));
    }
    for (int round = 0; round < options_.rounds && status.ok(); ++round) {
      for (Size& size : sizes_) {
        status.Update(ColdRound(&size));
      }
    }
    if (status.ok()) {
      status = HotRounds();
    }
    if (!status.ok()) {
      return status;
    }
    return Report();
  }

 private:
  Batches HotBatches(const storage::TableSpec& spec) const;
  Batches ColdBatches(const storage::TableSpec& spec);
  absl::StatusOr<Running> Start(const Size& size, uint64_t ram_bytes) const;
  absl::Status ColdRound(Size* size);
  absl::Status HotRounds();
  absl::StatusOr<double> RowsPerSecond(const Size& size, const Batches& batches, int passes,
                                       const Running& running) const;
  nlohmann::json Report() const;

  const ScaleBenchOptions options_;
  const std::unique_ptr<ScratchDir> dir_;
  std::vector<Size> sizes_;
  std::mt19937_64 random_{1};
};

// Groups evenly over the table, in random order.
Batches ScaleBench::HotBatches(const storage::TableSpec& spec) const {
  const uint64_t groups = spec.rows / spec.group_size;
  const uint64_t batch_groups = options_.batch_rows / spec.group_size;
  const uint64_t count =
      std::max<uint64_t>(1, options_.hot_bytes / spec.group_bytes() / batch_groups) * batch_groups;
  std::vector<uint64_t> hot(count);
  for (uint64_t i = 0; i < count; ++i) {
    hot[i] = i * groups / count;
  }
  std::shuffle(hot.begin(), hot.end(), std::mt19937_64(1));
  Batches batches(count / batch_groups);
  for (uint64_t i = 0; i < count; ++i) {
    for (uint32_t row = 0; row < spec.group_size; ++row) {
      batches[i / batch_groups].push_back(static_cast<RowId>(hot[i] * spec.group_size + row));
    }
  }
  return batches;
}

// Rows at random, each from a page of its own as good as always.
Batches ScaleBench::ColdBatches(const storage::TableSpec& spec) {
  Batches batches(options_.batches, std::vector<RowId>(options_.batch_rows));
  for (std::vector<RowId>& batch : batches) {
    std::generate(batch.begin(), batch.end(),
                  [&] { return static_cast<RowId>(random_() % spec.rows); });
  }
  return batches;
}

absl::StatusOr<Running> ScaleBench::Start(const Size& size, uint64_t ram_bytes) const {
  Running running;
  auto daemon = BenchDaemon::Start(size.data_dir, {absl::StrCat("--ram-budget=", ram_bytes)});
  if (!daemon.ok()) {
    return daemon.status();
  }
  running.daemon = *std::move(daemon);
  auto client = running.daemon->Connect(kSharedBytes);
  if (!client.ok()) {
    return client.status();
  }
  running.client = *std::move(client);
  auto buffer = running.client.client->NewRowBuffer(options_.batch_rows * options_.row_bytes);
  if (!buffer.ok()) {
    return buffer.status();
  }
  running.buffer = *std::move(buffer);
  return running;
}

absl::StatusOr<double> ScaleBench::RowsPerSecond(const Size& size, const Batches& batches,
                                                 int passes, const Running& running) const {
  const auto rows = running.buffer->bytes().first(options_.batch_rows * options_.row_bytes);
  const absl::Time start = absl::Now();
  for (int pass = 0; pass < passes; ++pass) {
    for (const std::vector<RowId>& batch : batches) {
      if (absl::Status status = running.client.table->Fetch(batch, rows); !status.ok()) {
        return status;
      }
    }
  }
  const double seconds = absl::ToDoubleSeconds(absl::Now() - start);
  if (absl::Status status = CheckRows(batches.back(), rows, size.spec.row_bytes, "scale");
      !status.ok()) {
    return status;
  }
  return passes * static_cast<double>(batches.size() * options_.batch_rows) / seconds;
}

absl::Status ScaleBench::ColdRound(Size* size) {
  const auto running = Start(*size, /*ram_bytes=*/0);
  if (!running.ok()) {
    return running.status();
  }
  const auto rate = RowsPerSecond(*size, ColdBatches(size->spec), /*passes=*/1, *running);
  if (!rate.ok()) {
    return rate.status();
  }
  size->start_ms.push_back(absl::ToDoubleMilliseconds(running->daemon->start_time()));
  size->memory_bytes.push_back(static_cast<double>(running->daemon->ResidentBytes()));
  size->cold_rows_per_s.push_back(*rate);
  return absl::OkStatus();
}

absl::Status ScaleBench::HotRounds() {
  std::vector<Running> all;
  for (const Size& size : sizes_) {
    auto running = Start(size, 2 * options_.hot_bytes);
    absl::Status status = running.status();
    if (status.ok()) {
      status = running->daemon->AwaitAllInRam(size.hot);
    }
    if (!status.ok()) {
      return status;
    }
    all.push_back(*std::move(running));
  }
  // The first round warms up, and is not counted.
  for (int round = 0; round <= options_.rounds; ++round) {
    for (size_t i = 0; i < sizes_.size(); ++i) {
      const auto rate = RowsPerSecond(sizes_[i], sizes_[i].hot, options_.hot_passes, all[i]);
      if (!rate.ok()) {
        return rate.status();
      }
      if (round > 0) {
        sizes_[i].hot_rows_per_s.push_back(*rate);
      }
    }
  }
  return absl::OkStatus();
}

nlohmann::json ScaleBench::Report() const {
  nlohmann::json sizes = nlohmann::json::array();
  for (const Size& size : sizes_) {
    sizes.push_back({{"rows", size.spec.rows},
                     {"table_bytes", size.spec.table_bytes()},
                     {"start_ms", Median(size.start_ms)},
                     {"memory_bytes", Median(size.memory_bytes)},
                     {"cold_rows_per_s", Median(size.cold_rows_per_s)},
                     {"hot_rows_per_s", Median(size.hot_rows_per_s)}});
  }
  const Size& small = sizes_.front();
  const Size& large = sizes_.back();
  const double per_row = (Median(large.memory_bytes) - Median(small.memory_bytes)) /
                         static_cast<double>(large.spec.rows - small.spec.rows);
  constexpr double kRows = 768e6;
  return {{"row_bytes", options_.row_bytes},
          {"group_size", options_.group_size},
          {"hot_bytes", options_.hot_bytes},
          {"hot_passes", options_.hot_passes},
          {"batch_rows", options_.batch_rows},
          {"batches", options_.batches},
          {"rounds", options_.rounds},
          {"sizes", std::move(sizes)},
          {"start_ms", Median(large.start_ms)},
          {"small_start_ms", Median(small.start_ms)},
          {"start_ratio", MedianRatio(large.start_ms, small.start_ms)},
          {"hot_rows_per_s", Median(large.hot_rows_per_s)},
          {"small_hot_rows_per_s", Median(small.hot_rows_per_s)},
          {"hot_ratio", MedianRatio(large.hot_rows_per_s, small.hot_rows_per_s)},
          {"memory_bytes_per_row", per_row},
          {"memory_bytes_768m",
           Median(large.memory_bytes) + per_row * (kRows - static_cast<double>(large.spec.rows))}};
}

}  // namespace

absl::StatusOr<nlohmann::json> RunScaleBench(const ScaleBenchOptions& options) {
  if (options.rounds < kMinRounds || options.sizes < 2 || options.batches == 0 ||
      options.batch_rows == 0 || options.group_size == 0 ||
      options.batch_rows % options.group_size != 0 || options.table_bytes < options.hot_bytes ||
      options.hot_bytes < options.batch_rows * options.row_bytes) {
    return absl::InvalidArgumentError(
        "scale: needs 5 rounds or more, two sizes or more, batches of whole groups, and hot rows "
        "for a batch that are no more than the smallest table");
  }
  TuneMalloc();
  auto dir = ScratchDir::Make(options.dir);
  if (!dir.ok()) {
    return dir.status();
  }
  return ScaleBench(options, *std::move(dir)).Run();
}

}  // namespace engram::bench
