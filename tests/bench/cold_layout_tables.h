// The tables that cold_layout_bench reads, and stock RocksDB and the bare device as readers.
#ifndef ENGRAM_TESTS_BENCH_COLD_LAYOUT_TABLES_H_
#define ENGRAM_TESTS_BENCH_COLD_LAYOUT_TABLES_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "rocksdb/db.h"
#include "storage/cold/aligned_buffer.h"
#include "storage/cold/cold_tier.h"
#include "storage/cold/page_layout.h"
#include "storage/io/read_engine.h"
#include "storage/io/readable_file.h"
#include "storage/table_spec.h"

namespace engram::bench {

inline constexpr uint64_t kTableUid = 1;
inline constexpr char kRowsFamily[] = "rows";

// Write the whole table, of FillRow's rows, into `dir` with one thread: a page a key through the
// storage library, or a row a key with RocksDB alone, in files of the same size. Return MB of rows
// a second.
absl::StatusOr<double> LoadPages(const std::string& dir, const storage::TableSpec& spec,
                                 storage::ReadEngine* engine);
absl::StatusOr<double> LoadRows(const std::string& dir, const storage::TableSpec& spec);

// One key a row: pages of one row, in blocks of as many as fit.
storage::PageLayout RowLayout(const storage::TableSpec& spec);

// RocksDB's own MultiGet.
class Stock {
 public:
  // Opens the column family read-only: with RocksDB's own file system and direct reads, or with
  // `env`, which is not owned. Every index is loaded.
  static absl::StatusOr<std::unique_ptr<Stock>> Open(const std::string& dir,
                                                     const std::string& family,
                                                     const storage::PageLayout& layout,
                                                     rocksdb::Env* env);
  ~Stock();

  absl::Status Read(const std::vector<storage::RowRead>& reads, std::byte* rows);

  uint64_t Property(const std::string& name) const;

 private:
  Stock(rocksdb::DB* db, rocksdb::ColumnFamilyHandle* family, const storage::PageLayout& layout)
      : db_(db), family_(family), layout_(layout) {}

  const std::unique_ptr<rocksdb::DB> db_;
  rocksdb::ColumnFamilyHandle* const family_;
  const storage::PageLayout layout_;
};

// Random reads of blocks of the SST files in a directory by io_uring, without RocksDB.
class Raw {
 public:
  explicit Raw(int depth) : depth_(depth) {}

  absl::Status Open(const std::string& dir);
  absl::Status Read(size_t count);

 private:
  static constexpr uint64_t kBlock = storage::PageLayout::kBlockBytes;

  const int depth_;
  std::vector<std::pair<std::unique_ptr<storage::ReadableFile>, uint64_t>> files_;  // and blocks
  std::unique_ptr<storage::ReadEngine> engine_;
  std::unique_ptr<storage::ReadQueue> queue_;
  storage::AlignedBuffer buffer_ = storage::NewAlignedBuffer(static_cast<size_t>(depth_) * kBlock);
  std::mt19937_64 random_{std::random_device()()};  // no two read the same blocks
};

}  // namespace engram::bench

#endif  // ENGRAM_TESTS_BENCH_COLD_LAYOUT_TABLES_H_
