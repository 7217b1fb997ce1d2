#include "tests/bench/import_bench.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <random>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "client/checkpoint/checkpoint_writer.h"
#include "storage/tiered_store.h"
#include "tests/bench/bench_table.h"
#include "tests/bench/measure.h"

namespace engram::bench {
namespace {

constexpr size_t kPieceBytes = size_t{1} << 20;
constexpr uint32_t kLayers = 2;
constexpr uint32_t kHeads = 24;
constexpr uint32_t kRowBytes = 264;
constexpr char kModel[] = "model";

double MegabytesPerSecond(uint64_t bytes, absl::Duration spent) {
  return static_cast<double>(bytes) / 1e6 / absl::ToDoubleSeconds(spent);
}

// Fetches some rows of an imported table and compares every byte.
absl::Status CheckTable(const CheckpointTable& made, storage::TieredStore* store) {
  const auto table = store->OpenTable(absl::StrCat(kModel, "/layer", made.key.layer));
  if (!table.ok()) {
    return table.status();
  }
  std::mt19937_64 random(1);
  std::vector<storage::RowId> ids(size_t{64} * (*table)->spec().group_size);
  std::generate(ids.begin(), ids.end(),
                [&] { return static_cast<storage::RowId>(random() % made.rows); });
  std::vector<std::byte> rows(ids.size() * made.row_bytes);
  absl::Status status = FetchRows(*table, ids, absl::MakeSpan(rows), store);
  status.Update(CheckSelfDescribingRows(made.key, ids, rows, made.row_bytes));
  return status;
}

class ImportBench {
 public:
  ImportBench(const ImportBenchOptions& options, std::unique_ptr<ScratchDir> dir)
      : options_(options), dir_(std::move(dir)), piece_(kPieceBytes) {
    std::mt19937_64 random(1);
    std::generate(piece_.begin(), piece_.end(), [&] { return static_cast<char>(random()); });
  }

  absl::Status MakeSource() {
    auto made = MakeCheckpoint(
        {.directory = dir_->Path("checkpoint"),
         .vocab_size = static_cast<uint32_t>(options_.bytes / (kLayers * kHeads * kRowBytes))});
    if (!made.ok()) {
      return made.status();
    }
    checkpoint_ = *std::move(made);
    for (const CheckpointTable& table : checkpoint_.tables) {
      table_bytes_ += table.rows * table.row_bytes;
    }
    return absl::OkStatus();
  }

  absl::Status Import() {
    const std::string data_dir = dir_->Path("store");
    auto store = storage::TieredStore::Open({.data_dir = data_dir});
    if (!store.ok()) {
      return store.status();
    }
    sync();
    storage::ImportOptions import;
    import.path = dir_->Path("checkpoint");
    import.name = kModel;
    ReadSource();
    const absl::StatusOr<uint64_t> read_before = DeviceBytesRead();
    const absl::StatusOr<absl::Duration> disk_before = DiskBusyTime(data_dir);
    const absl::Duration cpu_before = CpuTime();
    const absl::Time start = absl::Now();
    const auto imported =
        (*store)->Import(import, [](const storage::ImportProgress&) { return true; });
    const absl::Duration spent = absl::Now() - start;
    const absl::Duration cpu = CpuTime() - cpu_before;
    const absl::StatusOr<absl::Duration> disk_after = DiskBusyTime(data_dir);
    const absl::StatusOr<uint64_t> read_after = DeviceBytesRead();
    absl::Status status = imported.status();
    status.Update(read_before.status());
    status.Update(read_after.status());
    if (!status.ok()) {
      return status;
    }
    import_speeds_.push_back(MegabytesPerSecond(table_bytes_, spent));
    import_cpu_.push_back(absl::ToDoubleSeconds(cpu) * 1e9 / static_cast<double>(table_bytes_));
    cores_busy_.push_back(absl::FDivDuration(cpu, spent * std::thread::hardware_concurrency()));
    if (disk_before.ok() && disk_after.ok()) {
      disk_busy_.push_back(absl::FDivDuration(*disk_after - *disk_before, spent));
    }
    device_bytes_ = std::max(device_bytes_, *read_after - *read_before);
    disk_bytes_ = 0;
    for (const storage::TableInfo& table : *imported) {
      disk_bytes_ += table.disk_bytes;
    }
    for (const CheckpointTable& table : checkpoint_.tables) {
      status.Update(CheckTable(table, store->get()));
    }
    store->reset();
    std::error_code ignored;
    std::filesystem::remove_all(data_dir, ignored);
    return status;
  }

  absl::Status WriteSequentially() {
    const std::string path = dir_->Path("sequential");
    sync();
    const absl::Time start = absl::Now();
    const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    bool good = fd >= 0;
    for (uint64_t left = table_bytes_; good && left > 0;) {
      const ssize_t written = write(fd, piece_.data(), std::min<uint64_t>(left, kPieceBytes));
      good = written > 0;
      left -= good ? static_cast<uint64_t>(written) : 0;
    }
    good = good && fsync(fd) == 0;
    const absl::Duration spent = absl::Now() - start;
    const absl::Status status =
        good ? absl::OkStatus()
             : absl::UnavailableError(absl::StrCat("writing ", path, ": ", std::strerror(errno)));
    close(fd);
    unlink(path.c_str());
    write_speeds_.push_back(MegabytesPerSecond(table_bytes_, spent));
    return status;
  }

  nlohmann::json Report() const {
    return {
        {"bytes", options_.bytes},
        {"rounds", options_.rounds},
        {"table_bytes", table_bytes_},
        {"disk_bytes", disk_bytes_},
        {"import_mb_per_s", Median(import_speeds_)},
        {"sequential_write_mb_per_s", Median(write_speeds_)},
        {"ratio_to_sequential_write", MedianRatio(import_speeds_, write_speeds_)},
        {"import_cpu_s_per_gb", Median(import_cpu_)},
        {"cores_busy", Median(cores_busy_)},
        {"disk_busy", disk_busy_.empty() ? nlohmann::json() : nlohmann::json(Median(disk_busy_))},
        {"source_page_cache", "warm"},
        {"source_bytes_from_device", device_bytes_}};
  }

 private:
  // Brings the checkpoint into the page cache: an import leaves nothing of it there.
  void ReadSource() const {
    std::vector<char> buffer(kPieceBytes);
    for (const auto& entry : std::filesystem::directory_iterator(dir_->Path("checkpoint"))) {
      std::ifstream file(entry.path(), std::ios::binary);
      while (file.read(buffer.data(), kPieceBytes)) {
      }
    }
  }

  const ImportBenchOptions options_;
  const std::unique_ptr<ScratchDir> dir_;
  std::vector<char> piece_;
  CheckpointSummary checkpoint_;
  uint64_t table_bytes_ = 0;
  uint64_t disk_bytes_ = 0;
  uint64_t device_bytes_ = 0;
  std::vector<double> import_speeds_;
  std::vector<double> import_cpu_;
  std::vector<double> cores_busy_;  // shares of the time of the import
  std::vector<double> disk_busy_;   // empty: not counted
  std::vector<double> write_speeds_;
};

}  // namespace

absl::StatusOr<nlohmann::json> RunImportBench(const ImportBenchOptions& options) {
  if (options.rounds < kMinRounds || options.bytes < kPieceBytes) {
    return absl::InvalidArgumentError("import: needs 5 rounds or more, and 1 MiB or more");
  }
  auto dir = ScratchDir::Make(options.dir);
  if (!dir.ok()) {
    return dir.status();
  }
  ImportBench bench(options, *std::move(dir));
  absl::Status status = bench.MakeSource();
  for (int round = 0; status.ok() && round < options.rounds; ++round) {
    status = bench.Import();
    status.Update(bench.WriteSequentially());
  }
  if (!status.ok()) {
    return status;
  }
  return bench.Report();
}

}  // namespace engram::bench
