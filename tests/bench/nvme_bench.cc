#include "tests/bench/nvme_bench.h"

#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "storage/tiered_store.h"
#include "tests/bench/bench_table.h"
#include "tests/bench/cold_layout_tables.h"
#include "tests/bench/measure.h"

namespace engram::bench {
namespace {

using storage::RowId;
using storage::RowRead;

// The store, and what it counted.
class Store {
 public:
  absl::Status Open(const NvmeBenchOptions& options, const storage::TableSpec& spec,
                    const ScratchDir& dir) {
    auto store = storage::TieredStore::Open({.data_dir = dir.Path("store"),
                                             .ram_budget_bytes = 0,
                                             .io_threads = options.io_threads,
                                             .read_engine = options.read_engine});
    if (!store.ok()) {
      return store.status();
    }
    store_ = *std::move(store);
    if (auto status = ImportBenchTable(spec, dir.Path("table"), store_.get()); !status.ok()) {
      return status;
    }
    auto table = store_->OpenTable(kBenchTable);
    if (table.ok()) {
      table_ = *std::move(table);
    }
    return table.status();
  }

  absl::Status Read(const std::vector<RowRead>& reads, std::byte* rows) {
    row_ids_.resize(reads.size());
    for (const RowRead& read : reads) {
      row_ids_[read.destination] = read.row_id;
    }
    return FetchRows(table_, row_ids_, {rows, row_ids_.size() * table_->spec().row_bytes},
                     store_.get());
  }

  storage::StoreStats Stats() const { return store_->Stats(); }

 private:
  std::unique_ptr<storage::TieredStore> store_;
  storage::TableRef table_;
  std::vector<RowId> row_ids_;
};

nlohmann::json Report(const NvmeBenchOptions& options, const storage::TableSpec& spec,
                      const std::vector<RowReader>& readers, const storage::StoreStats& stats) {
  const RowReader& ours = readers[0];
  const RowReader& device = readers[1];
  const RowReader& stock = readers[2];
  const storage::TableStats& table = stats.tables.front();
  const auto rows_fetched = static_cast<double>(table.groups * spec.group_size);
  return {{"table_bytes", spec.table_bytes()},
          {"row_bytes", spec.row_bytes},
          {"group_size", spec.group_size},
          {"batch_rows", options.plan.batch_rows},
          {"rounds", options.plan.rounds},
          {"device_depth", options.device_depth},
          {"io_threads", options.io_threads},
          {"read_engine", stats.read_engine},
          {"rows_per_s", Median(ours.rows_per_second)},
          {"device_reads_per_s", Median(device.rows_per_second)},
          {"stock_rows_per_s", Median(stock.rows_per_second)},
          {"ratio_to_device", MedianRatio(ours.rows_per_second, device.rows_per_second)},
          {"ratio_to_stock", MedianRatio(ours.rows_per_second, stock.rows_per_second)},
          {"token_us", Median(ours.token_us)},
          {"device_token_us", Median(device.token_us)},
          {"stock_token_us", Median(stock.token_us)},
          {"token_latency_ratio", MedianRatio(ours.token_us, device.token_us)},
          {"device_bytes_per_row", ours.device_bytes_per_row()},
          {"stock_device_bytes_per_row", stock.device_bytes_per_row()},
          {"store_reads_per_row", static_cast<double>(table.cold.reads) / rows_fetched},
          {"ram_hits", table.ram.hits}};
}

}  // namespace

absl::StatusOr<nlohmann::json> RunNvmeBench(const NvmeBenchOptions& options) {
  const storage::TableSpec spec =
      BenchSpec(options.table_bytes, options.row_bytes, options.group_size);
  if (options.plan.batch_rows % options.group_size != 0 ||
      options.plan.token_rows % options.group_size != 0) {
    return absl::InvalidArgumentError("nvme: batches and tokens must be whole groups");
  }
  auto dir = ScratchDir::Make(options.dir);
  if (!dir.ok()) {
    return dir.status();
  }
  const std::string rows_dir = (*dir)->Path("rows");
  Store store;
  absl::Status status = store.Open(options, spec, **dir);
  status.Update(LoadRows(rows_dir, spec).status());
  Raw raw(options.device_depth);
  status.Update(raw.Open((*dir)->Path("store/db")));
  if (!status.ok()) {
    return status;
  }
  auto stock = Stock::Open(rows_dir, kRowsFamily, RowLayout(spec), rocksdb::Env::Default());
  if (!stock.ok()) {
    return stock.status();
  }
  std::vector<RowReader> readers = {
      {.name = "TieredStore::Fetch",
       .read = [&](const auto& reads, std::byte* rows) { return store.Read(reads, rows); }},
      {.name = "io_uring",
       .read = [&](const auto& reads, std::byte* /*rows*/) { return raw.Read(reads.size()); },
       .checked = false},
      {.name = "RocksDB's MultiGet",
       .read = [&](const auto& reads, std::byte* rows) { return (*stock)->Read(reads, rows); }}};
  if (status = MeasureReaders(spec, options.plan, &readers); !status.ok()) {
    return status;
  }
  return Report(options, spec, readers, store.Stats());
}

}  // namespace engram::bench
