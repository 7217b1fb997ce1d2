#include "tests/bench/cold_layout_tables.h"

#include <algorithm>
#include <cstring>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "rocksdb/flush_block_policy.h"
#include "rocksdb/sst_file_writer.h"
#include "rocksdb/table.h"
#include "storage/cold/database.h"
#include "storage/cold/rocksdb_options.h"
#include "storage/cold/rocksdb_status.h"
#include "tests/bench/bench_table.h"

namespace engram::bench {

using storage::FromRocksDb;
using storage::PageLayout;
using storage::RowId;
using storage::RowRead;
using storage::TableSpec;

namespace {

rocksdb::ColumnFamilyOptions RowKeyOptions() {
  rocksdb::ColumnFamilyOptions options = storage::TableOptions();
  auto table = *options.table_factory->GetOptions<rocksdb::BlockBasedTableOptions>();
  table.flush_block_policy_factory = std::make_shared<rocksdb::FlushBlockBySizePolicyFactory>();
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return options;
}

double LoadSpeed(const TableSpec& spec, absl::Time start) {
  return static_cast<double>(spec.table_bytes()) / 1e6 / absl::ToDoubleSeconds(absl::Now() - start);
}

// Rows [first, first + count) of the table.
std::vector<std::byte> MakeRows(const TableSpec& spec, uint64_t first, uint64_t count) {
  std::vector<std::byte> rows(count * spec.row_bytes);
  for (uint64_t i = 0; i < count; ++i) {
    FillRow(static_cast<RowId>(first + i),
            absl::MakeSpan(rows).subspan(i * spec.row_bytes, spec.row_bytes));
  }
  return rows;
}

}  // namespace

absl::StatusOr<double> LoadPages(const std::string& dir, const TableSpec& spec,
                                 storage::ReadEngine* engine) {
  auto database = storage::Database::Open(dir, engine);
  if (!database.ok()) {
    return database.status();
  }
  const absl::Time start = absl::Now();
  auto writer = (*database)->NewTable(kTableUid, spec);
  if (!writer.ok()) {
    return writer.status();
  }
  const PageLayout& layout = (*writer)->layout();
  const uint64_t segment_rows = (*writer)->pages_per_segment() * layout.rows_per_page;
  for (uint64_t i = 0; i < (*writer)->segment_count(); ++i) {
    const uint64_t first = i * segment_rows;
    const auto rows = MakeRows(spec, first, std::min(segment_rows, spec.rows - first));
    if (auto status = (*writer)->WriteSegment(i, rows); !status.ok()) {
      return status;
    }
  }
  auto table = (*writer)->Finish();
  return table.ok() ? absl::StatusOr<double>(LoadSpeed(spec, start)) : table.status();
}

// Loads one key a row with RocksDB alone, into files of the same size.
absl::StatusOr<double> LoadRows(const std::string& dir, const TableSpec& spec) {
  rocksdb::Options options(storage::DatabaseOptions(rocksdb::Env::Default()), RowKeyOptions());
  rocksdb::DB* opened = nullptr;
  if (auto status = rocksdb::DB::Open(options, dir, &opened); !status.ok()) {
    return FromRocksDb(status, dir);
  }
  const std::unique_ptr<rocksdb::DB> db(opened);
  rocksdb::ColumnFamilyHandle* family = nullptr;
  db->CreateColumnFamily(RowKeyOptions(), kRowsFamily, &family);
  const absl::Time start = absl::Now();
  const uint64_t file_rows = (uint64_t{64} << 20) / (spec.row_bytes + 16);
  std::vector<std::string> paths;
  rocksdb::Status status;
  for (uint64_t first = 0; first < spec.rows && status.ok(); first += file_rows) {
    const auto rows = MakeRows(spec, first, std::min(file_rows, spec.rows - first));
    rocksdb::SstFileWriter file(storage::SegmentFileOptions(), options);
    paths.push_back(absl::StrCat(dir, "/", first, ".staged"));
    status = file.Open(paths.back());
    for (size_t i = 0; i * spec.row_bytes < rows.size() && status.ok(); ++i) {
      const storage::PageKey key = storage::EncodePageKey(first + i);
      const auto* row = reinterpret_cast<const char*>(&rows[i * spec.row_bytes]);
      status = file.Put({key.data(), key.size()}, {row, spec.row_bytes});
    }
    if (status.ok()) {
      status = file.Finish();
    }
  }
  rocksdb::IngestExternalFileOptions ingest;
  ingest.move_files = true;
  if (status.ok()) {
    status = db->IngestExternalFile(family, paths, ingest);
  }
  const double speed = LoadSpeed(spec, start);
  db->DestroyColumnFamilyHandle(family);
  return status.ok() ? absl::StatusOr<double>(speed) : FromRocksDb(status, dir);
}

PageLayout RowLayout(const TableSpec& spec) {
  PageLayout layout(spec);
  layout.rows_per_page = 1;
  return layout;
}

absl::StatusOr<std::unique_ptr<Stock>> Stock::Open(const std::string& dir,
                                                   const std::string& family,
                                                   const PageLayout& layout, rocksdb::Env* env) {
  rocksdb::DBOptions options = storage::DatabaseOptions(env);
  options.create_if_missing = false;
  options.max_open_files = -1;
  options.use_direct_reads = env == rocksdb::Env::Default();
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  rocksdb::DB* db = nullptr;
  const std::vector<rocksdb::ColumnFamilyDescriptor> families = {
      {rocksdb::kDefaultColumnFamilyName, storage::CatalogOptions()}, {family, RowKeyOptions()}};
  const auto status = rocksdb::DB::OpenForReadOnly(options, dir, families, &handles, &db);
  if (!status.ok()) {
    return FromRocksDb(status, dir);
  }
  db->DestroyColumnFamilyHandle(handles[0]);
  return std::unique_ptr<Stock>(new Stock(db, handles[1], layout));
}

Stock::~Stock() { db_->DestroyColumnFamilyHandle(family_); }

absl::Status Stock::Read(const std::vector<RowRead>& reads, std::byte* rows) {
  std::vector<storage::PageKey> key_bytes;
  std::vector<size_t> key_of(reads.size());
  for (size_t i = 0; i < reads.size(); ++i) {
    const storage::PageKey key = storage::EncodePageKey(layout_.page_of(reads[i].row_id));
    if (key_bytes.empty() || key_bytes.back() != key) {
      key_bytes.push_back(key);
    }
    key_of[i] = key_bytes.size() - 1;
  }
  std::vector<rocksdb::Slice> keys;
  for (const storage::PageKey& key : key_bytes) {
    keys.emplace_back(key.data(), key.size());
  }
  std::vector<rocksdb::PinnableSlice> values(keys.size());
  std::vector<rocksdb::Status> statuses(keys.size());
  db_->MultiGet(storage::PageReadOptions(), family_, keys.size(), keys.data(), values.data(),
                statuses.data(), /*sorted_input=*/true);
  for (size_t i = 0; i < reads.size(); ++i) {
    if (!statuses[key_of[i]].ok()) {
      return FromRocksDb(statuses[key_of[i]], "MultiGet");
    }
    const uint64_t first = layout_.first_row(layout_.page_of(reads[i].row_id));
    std::memcpy(rows + size_t{reads[i].destination} * layout_.row_bytes,
                values[key_of[i]].data() + (reads[i].row_id - first) * layout_.row_bytes,
                layout_.row_bytes);
  }
  return absl::OkStatus();
}

uint64_t Stock::Property(const std::string& name) const {
  uint64_t value = 0;
  db_->GetIntProperty(family_, name, &value);
  return value;
}

absl::Status Raw::Open(const std::string& dir) {
  for (const auto& entry : std::filesystem::directory_iterator(dir)) {
    if (entry.path().extension() == ".sst" && entry.file_size() >= kBlock) {
      int error = 0;
      auto file = storage::ReadableFile::Open(entry.path().string(), /*direct=*/true, &error);
      if (file == nullptr) {
        return absl::DataLossError(entry.path().string());
      }
      files_.push_back({std::move(file), entry.file_size() / kBlock});
    }
  }
  auto engine = storage::NewReadEngine(
      {.kind = storage::ReadEngineOptions::Kind::kIoUring, .queue_depth = depth_});
  if (!engine.ok()) {
    return engine.status();
  }
  engine_ = *std::move(engine);
  queue_ = engine_->NewQueue();
  return absl::OkStatus();
}

absl::Status Raw::Read(size_t count) {
  std::vector<storage::ReadRequest> requests(count);
  for (size_t i = 0; i < count; ++i) {
    const auto& [file, blocks] = files_[random_() % files_.size()];
    requests[i] = {.fd = file->fd(),
                   .offset = random_() % blocks * kBlock,
                   .length = kBlock,
                   .buffer = buffer_.get() + i % static_cast<size_t>(depth_) * kBlock};
    queue_->Submit(&requests[i]);
  }
  queue_->Await(absl::MakeSpan(requests));
  const bool failed = std::any_of(requests.begin(), requests.end(),
                                  [](const auto& request) { return request.error != 0; });
  return failed ? absl::DataLossError("a raw read failed") : absl::OkStatus();
}

}  // namespace engram::bench
