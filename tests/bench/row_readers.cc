#include "tests/bench/row_readers.h"

#include <algorithm>
#include <numeric>
#include <random>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "tests/bench/bench_table.h"
#include "tests/bench/measure.h"

namespace engram::bench {
namespace {

using storage::RowId;
using storage::RowRead;

// Distinct rows, whose places in the output are at random too.
std::vector<RowRead> RandomRows(uint64_t rows, size_t count, std::mt19937_64* random) {
  std::set<RowId> ids;
  while (ids.size() < count) {
    ids.insert(static_cast<RowId>((*random)() % rows));
  }
  std::vector<uint32_t> places(count);
  std::iota(places.begin(), places.end(), 0U);
  std::shuffle(places.begin(), places.end(), *random);
  std::vector<RowRead> reads;
  for (const RowId id : ids) {
    reads.push_back({id, places[reads.size()]});
  }
  return reads;
}

class Measurement {
 public:
  Measurement(const storage::TableSpec& spec, const ReadPlan& plan)
      : spec_(spec), plan_(plan), rows_(plan.batch_rows * spec.row_bytes) {}

  absl::Status Round(RowReader* reader) {
    absl::Duration spent;
    const auto before = DeviceBytesRead();
    for (size_t i = 0; i < plan_.batches; ++i) {
      if (auto status = Read(*reader, plan_.batch_rows, &spent); !status.ok()) {
        return status;
      }
    }
    const auto after = DeviceBytesRead();
    if (!before.ok() || !after.ok()) {
      return before.ok() ? after.status() : before.status();
    }
    const uint64_t rows = plan_.batch_rows * plan_.batches;
    reader->device_bytes += *after - *before;
    reader->batch_rows += rows;
    reader->rows_per_second.push_back(static_cast<double>(rows) / absl::ToDoubleSeconds(spent));

    std::vector<double> token_us;
    for (size_t i = 0; i < plan_.tokens; ++i) {
      absl::Duration token;
      if (auto status = Read(*reader, plan_.token_rows, &token); !status.ok()) {
        return status;
      }
      token_us.push_back(absl::ToDoubleMicroseconds(token));
    }
    reader->token_us.push_back(Median(std::move(token_us)));
    return absl::OkStatus();
  }

 private:
  // Reads random rows and adds how long it took.
  absl::Status Read(const RowReader& reader, size_t count, absl::Duration* spent) {
    const std::vector<RowRead> reads = RandomRows(spec_.rows, count, &random_);
    const absl::Time start = absl::Now();
    absl::Status status = reader.read(reads, rows_.data());
    *spent += absl::Now() - start;
    if (!status.ok() || !reader.checked) {
      return status;
    }
    std::vector<RowId> ids(count);
    for (const RowRead& read : reads) {
      ids[read.destination] = read.row_id;
    }
    return CheckRows(ids, absl::MakeConstSpan(rows_).first(count * spec_.row_bytes),
                     spec_.row_bytes, reader.name);
  }

  const storage::TableSpec spec_;
  const ReadPlan plan_;
  std::vector<std::byte> rows_;
  std::mt19937_64 random_{1};
};

}  // namespace

absl::Status MeasureReaders(const storage::TableSpec& spec, const ReadPlan& plan,
                            std::vector<RowReader>* readers) {
  if (plan.rounds < kMinRounds || plan.batches == 0 || plan.tokens == 0 || plan.token_rows == 0 ||
      plan.token_rows > plan.batch_rows || plan.batch_rows > spec.rows) {
    return absl::InvalidArgumentError(absl::StrCat("needs ", kMinRounds, " rounds or more, and ",
                                                   "batches of at most the table's ", spec.rows,
                                                   " rows"));
  }
  Measurement measurement(spec, plan);
  for (int round = 0; round < plan.rounds; ++round) {
    for (RowReader& reader : *readers) {
      if (auto status = measurement.Round(&reader); !status.ok()) {
        return status;
      }
    }
  }
  return absl::OkStatus();
}

}  // namespace engram::bench
