#include "client/examples/gpu_worker/row_pipeline.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace engram::gpu_worker {
namespace {

constexpr size_t kPageBytes = 4096;

// Each part begins a page of its own.
size_t PartBytes(const ctl::ReplayTable& table, size_t rows) {
  const size_t bytes = rows * table.table->spec().row_bytes;
  return (bytes + kPageBytes - 1) / kPageBytes * kPageBytes;
}

size_t SlotBytes(const std::vector<ctl::ReplayTable>& tables, size_t rows) {
  size_t bytes = 0;
  for (const ctl::ReplayTable& table : tables) bytes += PartBytes(table, rows);
  return bytes;
}

}  // namespace

absl::StatusOr<std::unique_ptr<RowPipeline>> RowPipeline::Create(
    const Gpu& gpu, Client& client, const std::vector<ctl::ReplayTable>& tables,
    const RowPipelineOptions& options) {
  absl::StatusOr<RowBuffer> buffer =
      client.NewRowBuffer(options.slots * SlotBytes(tables, options.rows));
  if (!buffer.ok()) return buffer.status();
  std::unique_ptr<RowPipeline> pipeline(new RowPipeline(tables, options, *std::move(buffer)));
  if (options.pin) {
    absl::StatusOr<HostMemory> pinned = gpu.Pin(pipeline->buffer_.bytes());
    if (!pinned.ok()) return pinned.status();
    pipeline->pinned_ = *std::move(pinned);
  }
  if (absl::Status status = pipeline->MakeParts(gpu); !status.ok()) return status;
  return pipeline;
}

absl::Status RowPipeline::MakeParts(const Gpu& gpu) {
  size_t offset = 0;
  for (size_t slot = 0; slot < options_.slots; ++slot) {
    for (const ctl::ReplayTable& table : tables_) {
      const size_t bytes = options_.rows * table.table->spec().row_bytes;
      absl::StatusOr<DeviceMemory> device_rows = gpu.Allocate(bytes);
      if (!device_rows.ok()) return device_rows.status();
      absl::StatusOr<Event> copied = gpu.NewEvent(/*timed=*/false);
      if (!copied.ok()) return copied.status();
      Part& part = parts_.emplace_back();
      part.rows = buffer_.bytes().subspan(offset, bytes);
      part.tiers.resize(options_.rows / table.table->spec().group_size);
      part.device_rows = *std::move(device_rows);
      part.copied = *std::move(copied);
      offset += PartBytes(table, options_.rows);
    }
  }
  return absl::OkStatus();
}

uint64_t RowPipeline::step_bytes() const {
  uint64_t bytes = 0;
  for (size_t layer = 0; layer < tables_.size(); ++layer) bytes += parts_[layer].rows.size();
  return bytes;
}

void RowPipeline::Submit(size_t step, size_t layer, absl::Span<const uint32_t> row_ids) {
  Part& mine = part(step, layer);
  mine.ticket =
      tables_[layer].table->Submit(row_ids, mine.rows, {.tiers = absl::MakeSpan(mine.tiers)});
}

absl::Status RowPipeline::Await(size_t step, size_t layer) {
  Part& mine = part(step, layer);
  if (absl::Status status = mine.ticket->Wait(); !status.ok()) {
    return absl::Status(status.code(),
                        absl::StrCat(tables_[layer].table->name(), ": ", status.message()));
  }
  for (const Tier tier : mine.tiers) ++tier_counts_[static_cast<size_t>(tier)];
  return absl::OkStatus();
}

void RowPipeline::Copy(size_t step, size_t layer, Stream& side, Stream& main) {
  const Part& mine = part(step, layer);
  side.CopyToDevice(mine.device_rows.get(), mine.rows);
  side.Record(mine.copied);
  main.WaitFor(mine.copied);
}

DevicePointer RowPipeline::device_rows(size_t step, size_t layer) const {
  return parts_[step % options_.slots * tables_.size() + layer].device_rows.get();
}

}  // namespace engram::gpu_worker
