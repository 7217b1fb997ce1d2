// Rows on their way from the daemon to the GPU.
#ifndef ENGRAM_CLIENT_EXAMPLES_GPU_WORKER_ROW_PIPELINE_H_
#define ENGRAM_CLIENT_EXAMPLES_GPU_WORKER_ROW_PIPELINE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "client/ctl/replay_tables.h"
#include "client/engram_client.h"
#include "client/examples/gpu_worker/gpu.h"

namespace engram::gpu_worker {

struct RowPipelineOptions {
  size_t slots = 2;  // steps whose rows may be under way or in use at a time
  size_t rows = 0;   // of one step at one layer
  bool pin = true;   // false: the driver copies from pageable memory, by way of its own
};

// A ring of slots, one for each step in turn. A slot has, for each Engram layer, memory that the
// daemon writes rows to, and memory of the GPU's that they are copied to:
//
//   Submit -> Await -> Copy -> use of device_rows() in the main stream
//
// A step's rows must no longer be in use when the step that takes over its slot is submitted.
class RowPipeline {
 public:
  using TierCounts = std::array<uint64_t, 4>;  // by the number of a Tier

  // Pins its memory, all of it at once: that takes milliseconds, and copies from memory that is
  // not pinned are neither fast nor asynchronous. The GPU, the client and the tables outlive it.
  // Returns RESOURCE_EXHAUSTED for want of memory, or what the driver says.
  static absl::StatusOr<std::unique_ptr<RowPipeline>> Create(
      const Gpu& gpu, Client& client, const std::vector<ctl::ReplayTable>& tables,
      const RowPipelineOptions& options);

  // Whether the daemon can write rows where the GPU's copy engine takes them.
  bool shareable() const { return buffer_.shareable(); }
  uint64_t step_bytes() const;
  // Groups fetched, by where they were found.
  const TierCounts& tiers() const { return tier_counts_; }

  // Asks for a step's rows at a layer, an index into the tables.
  void Submit(size_t step, size_t layer, absl::Span<const uint32_t> row_ids);
  // Waits until they are there. Returns what the fetch did, naming the table.
  absl::Status Await(size_t step, size_t layer);
  // Copies them in the side stream; what is queued in the main stream from now on comes after.
  void Copy(size_t step, size_t layer, Stream& side, Stream& main);
  DevicePointer device_rows(size_t step, size_t layer) const;

 private:
  // One layer's part of a slot.
  struct Part {
    absl::Span<std::byte> rows;
    std::vector<Tier> tiers;
    DeviceMemory device_rows;
    Event copied{nullptr, nullptr};
    std::optional<Ticket> ticket;
  };

  RowPipeline(const std::vector<ctl::ReplayTable>& tables, const RowPipelineOptions& options,
              RowBuffer buffer)
      : tables_(tables), options_(options), buffer_(std::move(buffer)) {}
  absl::Status MakeParts(const Gpu& gpu);
  Part& part(size_t step, size_t layer) {
    return parts_[step % options_.slots * tables_.size() + layer];
  }

  const std::vector<ctl::ReplayTable>& tables_;
  const RowPipelineOptions options_;
  RowBuffer buffer_;
  HostMemory pinned_{nullptr, nullptr};
  std::vector<Part> parts_;  // [slots x layers]
  TierCounts tier_counts_{};
};

}  // namespace engram::gpu_worker

#endif  // ENGRAM_CLIENT_EXAMPLES_GPU_WORKER_ROW_PIPELINE_H_
