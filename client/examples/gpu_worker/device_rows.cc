#include "client/examples/gpu_worker/device_rows.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace engram::gpu_worker {

absl::StatusOr<std::unique_ptr<DeviceRows>> DeviceRows::Create(const Gpu& gpu, Client& client,
                                                               const std::vector<Table*>& tables,
                                                               const DeviceRowsOptions& options) {
  std::unique_ptr<DeviceRows> rows(new DeviceRows(tables, options));
  if (absl::Status status = rows->MakePipeline(gpu, client); !status.ok()) return status;
  if (absl::Status status = rows->MakeSlots(gpu); !status.ok()) return status;
  return rows;
}

absl::Status DeviceRows::MakePipeline(const Gpu& gpu, Client& client) {
  RowPipelineOptions ring{.depth = options_.slots, .max_groups = options_.groups};
  if (options_.pin) {
    ring.register_buffer = [this, &gpu](absl::Span<std::byte> buffer) {
      absl::StatusOr<HostMemory> pinned = gpu.Pin(buffer);
      if (!pinned.ok()) return pinned.status();
      pinned_.emplace(buffer.data(), *std::move(pinned));
      return absl::OkStatus();
    };
    ring.unregister_buffer = [this](absl::Span<std::byte> buffer) { pinned_.erase(buffer.data()); };
  }
  absl::StatusOr<std::unique_ptr<RowPipeline>> pipeline =
      RowPipeline::Create(client, tables_, std::move(ring));
  if (!pipeline.ok()) return pipeline.status();
  pipeline_ = *std::move(pipeline);
  return absl::OkStatus();
}

absl::Status DeviceRows::MakeSlots(const Gpu& gpu) {
  slots_.resize(options_.slots);
  for (Slot& slot : slots_) {
    for (const Table* table : tables_) {
      absl::StatusOr<DeviceMemory> memory = gpu.Allocate(bytes(*table));
      if (!memory.ok()) return memory.status();
      absl::StatusOr<Event> copied = gpu.NewEvent(/*timed=*/false);
      if (!copied.ok()) return copied.status();
      Part& part = slot.parts.emplace_back();
      part.device_rows = *std::move(memory);
      part.copied = *std::move(copied);
      part.tiers.resize(options_.groups);
    }
  }
  return absl::OkStatus();
}

uint64_t DeviceRows::step_bytes() const {
  uint64_t sum = 0;
  for (const Table* table : tables_) sum += bytes(*table);
  return sum;
}

absl::Status DeviceRows::Submit(size_t step, std::vector<RowPipeline::Request> requests) {
  Slot& mine = slot(step);
  mine.step.reset();  // its buffer is free for this one
  for (size_t layer = 0; layer < requests.size(); ++layer) {
    requests[layer].options.tiers = absl::MakeSpan(mine.parts[layer].tiers);
  }
  absl::StatusOr<RowPipeline::Step> submitted = pipeline_->Submit(requests);
  if (!submitted.ok()) return submitted.status();
  mine.step.emplace(*std::move(submitted));
  return absl::OkStatus();
}

absl::Status DeviceRows::Await(size_t step, size_t layer) {
  Slot& mine = slot(step);
  if (absl::Status status = mine.step->Wait(layer); !status.ok()) {
    return absl::Status(status.code(),
                        absl::StrCat(tables_[layer]->name(), ": ", status.message()));
  }
  for (const Tier tier : mine.parts[layer].tiers) ++tier_counts_[static_cast<size_t>(tier)];
  return absl::OkStatus();
}

void DeviceRows::Copy(size_t step, size_t layer, Stream& side, Stream& main) {
  const Slot& mine = slot(step);
  const Part& part = mine.parts[layer];
  side.CopyToDevice(part.device_rows.get(), mine.step->rows(layer));
  side.Record(part.copied);
  main.WaitFor(part.copied);
}

}  // namespace engram::gpu_worker
