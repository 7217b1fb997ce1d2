#include "tests/bench/cold_layout_bench.h"

#include <memory>
#include <ostream>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_format.h"
#include "absl/time/time.h"
#include "storage/cold/database.h"
#include "storage/cold/direct_file_system.h"
#include "storage/cold/instance.h"
#include "tests/bench/bench_table.h"
#include "tests/bench/cold_layout_tables.h"
#include "tests/bench/measure.h"

namespace engram::bench {
namespace {

using storage::PageLayout;
using storage::RowRead;
using storage::TableSpec;

constexpr size_t kRowStock = 2;  // among the readers; ours is the last

void PrintLayout(const std::string& name, double load_speed, const Stock& table,
                 const TableSpec& spec, std::ostream& out) {
  const auto rows = static_cast<double>(spec.rows);
  out << absl::StreamFormat(
      "| %s | %.1f | %.2f | %.0f |\n", name,
      static_cast<double>(table.Property("rocksdb.total-sst-files-size")) / rows,
      static_cast<double>(table.Property("rocksdb.estimate-table-readers-mem")) / rows, load_speed);
}

void PrintReaders(const ReadPlan& plan, const std::vector<RowReader>& readers, std::ostream& out) {
  out << absl::StreamFormat("\n| reader, one thread | rows/s, batches of %d | us for %d rows, p50 ",
                            plan.batch_rows, plan.token_rows)
      << "| device bytes/row |\n| --- | --- | --- | --- |\n";
  for (const RowReader& reader : readers) {
    out << absl::StreamFormat("| %s | %.0f | %.0f | %.0f |\n", reader.name,
                              Median(reader.rows_per_second), Median(reader.token_us),
                              reader.device_bytes_per_row());
  }
}

nlohmann::json ToJson(const std::vector<RowReader>& readers) {
  nlohmann::json list = nlohmann::json::array();
  for (const RowReader& reader : readers) {
    list.push_back({{"reader", reader.name},
                    {"rows_per_s", Median(reader.rows_per_second)},
                    {"token_us", Median(reader.token_us)},
                    {"device_bytes_per_row", reader.device_bytes_per_row()}});
  }
  return list;
}

// The engine, the database and the table of the storage library.
struct Ours {
  std::unique_ptr<storage::ReadEngine> engine;
  std::unique_ptr<storage::Database> database;
  std::unique_ptr<storage::ColdTable> table;
  storage::ColdReadStats stats;

  absl::Status Open(const std::string& dir, const TableSpec& spec,
                    const storage::ReadEngineOptions& options) {
    auto made = storage::NewReadEngine(options);
    if (!made.ok()) {
      return made.status();
    }
    engine = *std::move(made);
    auto opened = storage::Database::Open(dir, engine.get());
    if (!opened.ok()) {
      return opened.status();
    }
    database = *std::move(opened);
    auto found = database->OpenTable(kTableUid, spec);
    if (!found.ok()) {
      return found.status();
    }
    table = *std::move(found);
    return absl::OkStatus();
  }

  absl::Status Read(const std::vector<RowRead>& reads, std::byte* rows) {
    return table->ReadRows(reads, rows, absl::InfiniteFuture(), &stats);
  }
};

// Both tables, and everything that reads them.
class ColdLayoutBench {
 public:
  ColdLayoutBench(const ColdLayoutOptions& options, std::string pages_dir, std::string rows_dir)
      : options_(options),
        spec_(BenchSpec(options.table_bytes, options.row_bytes, /*group_size=*/1)),
        pages_dir_(std::move(pages_dir)),
        rows_dir_(std::move(rows_dir)) {}

  absl::StatusOr<nlohmann::json> Run(std::ostream& out) {
    auto engine = storage::NewReadEngine(options_.read_engine);
    if (!engine.ok()) {
      return engine.status();
    }
    const auto row_speed = LoadRows(rows_dir_, spec_);
    const auto page_speed = LoadPages(pages_dir_, spec_, engine->get());
    if (!page_speed.ok() || !row_speed.ok()) {
      return page_speed.ok() ? row_speed.status() : page_speed.status();
    }
    engine_ = *std::move(engine);
    if (auto status = OpenReaders(); !status.ok()) {
      return status;
    }
    out << absl::StreamFormat("%d rows of %d bytes, %.2f GB, read engine %s\n\n", spec_.rows,
                              spec_.row_bytes, static_cast<double>(spec_.table_bytes()) / 1e9,
                              ours_.engine->name());
    out << "| layout | disk bytes/row | index bytes/row | load MB/s, one thread |\n"
           "| --- | --- | --- | --- |\n";
    PrintLayout("one key a row", *row_speed, *row_stock_, spec_, out);
    PrintLayout("one key a page", *page_speed, *page_stock_, spec_, out);

    std::vector<RowReader> readers = Readers();
    if (auto status = MeasureReaders(spec_, options_.plan, &readers); !status.ok()) {
      return status;
    }
    PrintReaders(options_.plan, readers, out);
    out << absl::StreamFormat("\nReadRows: %d reads, %d of them by RocksDB again\n",
                              ours_.stats.reads, ours_.stats.read_again);
    const std::vector<double>& pages = readers.back().rows_per_second;
    const std::vector<double>& row_stock = readers[kRowStock].rows_per_second;
    return nlohmann::json{{"readers", ToJson(readers)},
                          {"table_bytes", spec_.table_bytes()},
                          {"rounds", options_.plan.rounds},
                          {"pages_rows_per_s", Median(pages)},
                          {"rows_stock_rows_per_s", Median(row_stock)},
                          {"ratio_to_stock", MedianRatio(pages, row_stock)},
                          {"rows_load_mb_per_s", *row_speed},
                          {"pages_load_mb_per_s", *page_speed},
                          {"read_again", ours_.stats.read_again}};
  }

 private:
  absl::Status OpenReaders() {
    file_system_ = std::make_shared<storage::DirectFileSystem>(rocksdb::FileSystem::Default(),
                                                               engine_.get(), /*max_kept=*/0);
    env_ = rocksdb::NewCompositeEnv(file_system_);
    const std::string family = storage::ColumnFamilyName(kTableUid);
    rocksdb::Env* const stock = rocksdb::Env::Default();
    absl::Status status = OpenStock(rows_dir_, kRowsFamily, RowLayout(spec_), stock, &row_stock_);
    status.Update(OpenStock(rows_dir_, kRowsFamily, RowLayout(spec_), env_.get(), &row_uring_));
    status.Update(OpenStock(pages_dir_, family, PageLayout(spec_), stock, &page_stock_));
    status.Update(OpenStock(pages_dir_, family, PageLayout(spec_), env_.get(), &page_uring_));
    status.Update(raw_128_.Open(pages_dir_));
    status.Update(raw_256_.Open(pages_dir_));
    status.Update(ours_.Open(pages_dir_, spec_, options_.read_engine));
    return status;
  }

  static absl::Status OpenStock(const std::string& dir, const std::string& family,
                                const PageLayout& layout, rocksdb::Env* env,
                                std::unique_ptr<Stock>* table) {
    auto opened = Stock::Open(dir, family, layout, env);
    if (opened.ok()) {
      *table = *std::move(opened);
    }
    return opened.status();
  }

  std::vector<RowReader> Readers() {
    const auto reader = [](auto* target) {
      return [target](const std::vector<RowRead>& reads, std::byte* rows) {
        return target->Read(reads, rows);
      };
    };
    const auto raw = [](Raw* target) {
      return [target](const std::vector<RowRead>& reads, std::byte* /*rows*/) {
        return target->Read(reads.size());
      };
    };
    return {
        {.name = "bare io_uring, depth 128", .read = raw(&raw_128_), .checked = false},
        {.name = "bare io_uring, depth 256", .read = raw(&raw_256_), .checked = false},
        {.name = "one key a row, stock MultiGet", .read = reader(row_stock_.get())},
        {.name = "one key a row, MultiGet on our file system", .read = reader(row_uring_.get())},
        {.name = "one key a page, stock MultiGet", .read = reader(page_stock_.get())},
        {.name = "one key a page, MultiGet on our file system", .read = reader(page_uring_.get())},
        {.name = "one key a page, ReadRows", .read = reader(&ours_)}};
  }

  const ColdLayoutOptions options_;
  const TableSpec spec_;
  const std::string pages_dir_;
  const std::string rows_dir_;
  std::unique_ptr<storage::ReadEngine> engine_;
  std::shared_ptr<storage::DirectFileSystem> file_system_;
  std::unique_ptr<rocksdb::Env> env_;
  std::unique_ptr<Stock> row_stock_;
  std::unique_ptr<Stock> row_uring_;
  std::unique_ptr<Stock> page_stock_;
  std::unique_ptr<Stock> page_uring_;
  Raw raw_128_{128};
  Raw raw_256_{256};
  Ours ours_;
};

}  // namespace

absl::StatusOr<nlohmann::json> RunColdLayoutBench(const ColdLayoutOptions& options,
                                                  std::ostream& out) {
  auto dir = ScratchDir::Make(options.dir);
  if (!dir.ok()) {
    return dir.status();
  }
  return ColdLayoutBench(options, (*dir)->Path("pages"), (*dir)->Path("rows")).Run(out);
}

}  // namespace engram::bench
