#include "tests/storage/cold/cold_testing.h"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <utility>

#include "absl/time/time.h"

namespace engram::storage {

std::string TestDir() {
  const testing::TestInfo* test = testing::UnitTest::GetInstance()->current_test_info();
  std::string name = std::string("engram_") + test->test_suite_name() + "_" + test->name();
  std::replace(name.begin(), name.end(), '/', '_');
  const std::string dir = testing::TempDir() + "/" + name;
  std::filesystem::remove_all(dir);
  std::filesystem::create_directories(dir);
  return dir;
}

TableSpec OpaqueSpec(uint64_t rows, uint32_t row_bytes) {
  TableSpec spec;
  spec.rows = rows;
  spec.row_bytes = row_bytes;
  return spec;
}

void FillRow(RowId row, absl::Span<std::byte> bytes) {
  for (size_t i = 0; i < bytes.size(); ++i) {
    const uint64_t mixed = (uint64_t{row} << 20 | i) * 0x9E3779B97F4A7C15u;
    bytes[i] = static_cast<std::byte>((mixed ^ mixed >> 29) >> 32);
  }
}

absl::Status WriteSegments(ColdTableWriter* writer, const TableSpec& spec) {
  const uint64_t segment_rows = writer->pages_per_segment() * writer->layout().rows_per_page;
  for (uint64_t segment = 0; segment < writer->segment_count(); ++segment) {
    const uint64_t first = segment * segment_rows;
    std::vector<std::byte> rows(std::min(segment_rows, spec.rows - first) * spec.row_bytes);
    for (uint64_t i = 0; i * spec.row_bytes < rows.size(); ++i) {
      FillRow(static_cast<RowId>(first + i),
              absl::MakeSpan(rows).subspan(i * spec.row_bytes, spec.row_bytes));
    }
    if (auto status = writer->WriteSegment(segment, rows); !status.ok()) {
      return status;
    }
  }
  return absl::OkStatus();
}

std::unique_ptr<ColdTable> WriteTable(Database* database, uint64_t uid, const TableSpec& spec) {
  auto writer = database->NewTable(uid, spec);
  EXPECT_TRUE(writer.ok()) << writer.status();
  const absl::Status written = WriteSegments(writer->get(), spec);
  EXPECT_TRUE(written.ok()) << written;
  auto table = (*writer)->Finish();
  EXPECT_TRUE(table.ok()) << table.status();
  return table.ok() ? *std::move(table) : nullptr;
}

std::vector<RowRead> ReadsOf(const std::vector<RowId>& ids) {
  std::vector<RowRead> reads;
  for (const RowId id : ids) {
    reads.push_back({id, static_cast<uint32_t>(reads.size())});
  }
  return reads;
}

std::vector<RowId> RandomIds(uint64_t rows, size_t count, uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<RowId> ids(count);
  for (RowId& id : ids) {
    id = static_cast<RowId>(random() % rows);
  }
  std::sort(ids.begin(), ids.end());
  return ids;
}

absl::Status ReadAndCheck(ColdTable* table, const TableSpec& spec, const std::vector<RowId>& ids,
                          size_t* wrong, ColdReadStats* stats) {
  std::vector<std::byte> rows(ids.size() * spec.row_bytes);
  ColdReadStats ignored;
  absl::Status status = table->ReadRows(ReadsOf(ids), rows.data(), absl::InfiniteFuture(),
                                        stats == nullptr ? &ignored : stats);
  std::vector<std::byte> expected(spec.row_bytes);
  *wrong = 0;
  for (size_t i = 0; i < ids.size(); ++i) {
    FillRow(ids[i], absl::MakeSpan(expected));
    const bool same = std::memcmp(expected.data(), &rows[i * spec.row_bytes], spec.row_bytes) == 0;
    *wrong += same ? 0 : 1;
  }
  return status;
}

RowPlace FindRow(const std::string& dir, const TableSpec& spec, RowId row) {
  std::string wanted(spec.row_bytes, '\0');
  FillRow(row, {reinterpret_cast<std::byte*>(wanted.data()), wanted.size()});
  return FindBytes(dir, wanted);
}

RowPlace FindBytes(const std::string& dir, const std::string& bytes) {
  for (const auto& entry : std::filesystem::recursive_directory_iterator(dir)) {
    if (entry.path().extension() == ".sst") {
      std::ifstream file(entry.path(), std::ios::binary);
      const std::string content((std::istreambuf_iterator<char>(file)), {});
      if (const size_t offset = content.find(bytes); offset != std::string::npos) {
        return {entry.path().string(), offset};
      }
    }
  }
  ADD_FAILURE() << "the bytes are in no file";
  return {};
}

void FlipByte(const RowPlace& place) {
  std::fstream file(place.path, std::ios::binary | std::ios::in | std::ios::out);
  file.seekg(static_cast<std::streamoff>(place.offset));
  const char byte = static_cast<char>(file.get() ^ 0x10);
  file.seekp(static_cast<std::streamoff>(place.offset));
  file.put(byte);
  file.close();
  EXPECT_TRUE(file.good()) << place.path;
}

size_t CountSstFiles(const std::string& dir) {
  size_t count = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(dir)) {
    constexpr uint64_t kPageBytes = 4096;
    std::error_code gone;
    const bool table = entry.file_size(gone) > kPageBytes && !gone;
    count += table && entry.path().extension() == ".sst" ? 1 : 0;
  }
  return count;
}

void EngineTest::SetUp() {
  auto engine = NewReadEngine({.kind = GetParam(), .pread_threads = 4});
  if (!engine.ok()) {
    GTEST_SKIP() << engine.status();
  }
  engine_ = *std::move(engine);
}

void EngineTest::TearDown() { std::filesystem::remove_all(dir_); }

std::unique_ptr<Database> EngineTest::OpenDb(const DatabaseConfig& config) {
  auto database = OpenDatabase(dir_, engine_.get(), config);
  EXPECT_TRUE(database.ok()) << database.status();
  return database.ok() ? *std::move(database) : nullptr;
}

std::string EngineName(const testing::TestParamInfo<ReadEngineOptions::Kind>& param) {
  return param.param == ReadEngineOptions::Kind::kPread ? "Pread" : "IoUring";
}

namespace {

class FaultyQueue final : public ReadQueue {
 public:
  FaultyQueue(std::unique_ptr<ReadQueue> base, std::shared_ptr<ReadFault> fault)
      : base_(std::move(base)), fault_(std::move(fault)) {}

  void Submit(ReadRequest* request) override { base_->Submit(request); }
  void Flush() override { base_->Flush(); }
  void Await(absl::Span<ReadRequest> requests) override {
    base_->Await(requests);
    for (ReadRequest& request : requests) {
      if (request.fd >= 0) {
        (*fault_)(&request);
      }
    }
  }

 private:
  const std::unique_ptr<ReadQueue> base_;
  const std::shared_ptr<ReadFault> fault_;
};

class FaultyEngine final : public ReadEngine {
 public:
  FaultyEngine(ReadEngine* base, ReadFault fault)
      : base_(base), fault_(std::make_shared<ReadFault>(std::move(fault))) {}

  std::unique_ptr<ReadQueue> NewQueue() override {
    return std::make_unique<FaultyQueue>(base_->NewQueue(), fault_);
  }
  const std::string& name() const override { return base_->name(); }
  const std::string& fallback_reason() const override { return base_->fallback_reason(); }
  const ReadEngineOptions& options() const override { return base_->options(); }

 private:
  ReadEngine* const base_;
  const std::shared_ptr<ReadFault> fault_;
};

}  // namespace

std::unique_ptr<ReadEngine> NewFaultyEngine(ReadEngine* base, ReadFault fault) {
  return std::make_unique<FaultyEngine>(base, std::move(fault));
}

}  // namespace engram::storage
