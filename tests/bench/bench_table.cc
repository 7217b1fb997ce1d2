#include "tests/bench/bench_table.h"

#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "client/checkpoint/safetensors_writer.h"
#include "client/checkpoint/self_describing.h"

namespace engram::bench {
namespace {

constexpr SelfDescribingKey kKey = {.layer = 1, .seed = 0};

}  // namespace

storage::TableSpec BenchSpec(uint64_t table_bytes, uint32_t row_bytes, uint32_t group_size) {
  storage::TableSpec spec;
  spec.row_bytes = row_bytes;
  spec.group_size = group_size;
  spec.rows = table_bytes / spec.group_bytes() * group_size;
  return spec;
}

void FillRow(storage::RowId row, absl::Span<std::byte> bytes) {
  FillSelfDescribingRow(kKey, row, bytes);
}

absl::Status CheckRows(absl::Span<const storage::RowId> row_ids, absl::Span<const std::byte> rows,
                       uint32_t row_bytes, const std::string& reader) {
  const absl::Status status = CheckSelfDescribingRows(kKey, row_ids, rows, row_bytes);
  return status.ok() ? status
                     : absl::Status(status.code(), absl::StrCat(reader, ": ", status.message()));
}

absl::Status ImportBenchTable(const storage::TableSpec& spec, const std::string& path,
                              storage::TieredStore* store) {
  const std::string file = path + ".safetensors";
  const TensorPlan rows = {.name = "rows",
                           .dtype = "U8",
                           .shape = {spec.rows, spec.row_bytes},
                           .row_bytes = spec.row_bytes,
                           .fill = [&](uint64_t first_row, absl::Span<std::byte> out) {
                             FillSelfDescribingPlane(kKey, static_cast<uint32_t>(first_row),
                                                     /*first_byte=*/0, spec.row_bytes, out);
                           }};
  absl::Status status = WriteSafetensors(file, {rows}, [](uint64_t) { return true; });
  if (status.ok()) {
    storage::ImportOptions options;
    options.path = file;
    options.name = kBenchTable;
    options.group_size = spec.group_size;
    status = store->Import(options, [](const storage::ImportProgress&) { return true; }).status();
  }
  std::error_code ignored;
  std::filesystem::remove(file, ignored);
  return status;
}

absl::Status FetchRows(const storage::TableRef& table, absl::Span<const storage::RowId> row_ids,
                       absl::Span<std::byte> rows, storage::TieredStore* store) {
  absl::Notification done;
  absl::Status result;
  store->Fetch({.table = table, .row_ids = row_ids, .rows = rows}, [&](absl::Status status) {
    result = std::move(status);
    done.Notify();
  });
  done.WaitForNotification();
  return result;
}

}  // namespace engram::bench
