// Rows on their way from the daemon to the GPU.
#ifndef ENGRAM_CLIENT_EXAMPLES_GPU_WORKER_DEVICE_ROWS_H_
#define ENGRAM_CLIENT_EXAMPLES_GPU_WORKER_DEVICE_ROWS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "client/engram_client.h"
#include "client/examples/gpu_worker/gpu.h"
#include "client/row_pipeline.h"

namespace engram::gpu_worker {

struct DeviceRowsOptions {
  size_t slots = 2;   // steps whose rows may be under way or in use at a time
  size_t groups = 0;  // of one step at one layer
  bool pin = true;    // false: the driver copies from pageable memory, by way of its own
};

// A ring of slots, one for each step in turn. A slot has a buffer that the daemon writes rows to,
// and memory of the GPU's that they are copied to, for each Engram layer:
//
//   Submit -> Await -> Copy -> use of device_rows() in the main stream
//
// A step's rows must no longer be in use when the step that takes over its slot is submitted.
class DeviceRows {
 public:
  using TierCounts = std::array<uint64_t, 4>;  // by the number of a Tier

  // Pins its buffers as a whole: that takes milliseconds, and copies from memory that is not pinned
  // are neither fast nor asynchronous.
  //   tables: one for each layer; they, the GPU and the client outlive it
  // Returns what RowPipeline::Create does, RESOURCE_EXHAUSTED for want of memory, or what the
  // driver says.
  static absl::StatusOr<std::unique_ptr<DeviceRows>> Create(const Gpu& gpu, Client& client,
                                                            const std::vector<Table*>& tables,
                                                            const DeviceRowsOptions& options);

  // Whether the daemon can write rows where the GPU's copy engine takes them.
  bool shareable() const { return pipeline_->shareable(); }
  uint64_t step_bytes() const;
  // Groups fetched, by where they were found.
  const TierCounts& tiers() const { return tier_counts_; }

  // Asks for a step's rows at all layers.
  //   requests: [layers], each of options.groups groups; their tiers are set here
  // Returns what RowPipeline::Submit does.
  absl::Status Submit(size_t step, std::vector<RowPipeline::Request> requests);
  // Waits until a layer's are there. Returns what the fetch did, naming the table.
  absl::Status Await(size_t step, size_t layer);
  // Copies them in the side stream; what is queued in the main stream from now on comes after.
  void Copy(size_t step, size_t layer, Stream& side, Stream& main);
  DevicePointer device_rows(size_t step, size_t layer) const {
    return slots_[step % options_.slots].parts[layer].device_rows.get();
  }

 private:
  // One layer's part of a slot.
  struct Part {
    DeviceMemory device_rows;
    Event copied{nullptr, nullptr};
    std::vector<Tier> tiers;
  };
  struct Slot {
    std::vector<Part> parts;  // [layers]
    std::optional<RowPipeline::Step> step;
  };

  DeviceRows(const std::vector<Table*>& tables, const DeviceRowsOptions& options)
      : tables_(tables), options_(options) {}
  absl::Status MakePipeline(const Gpu& gpu, Client& client);
  absl::Status MakeSlots(const Gpu& gpu);
  // Of a step at one layer.
  size_t bytes(const Table& table) const {
    return options_.groups * table.spec().group_size * table.spec().row_bytes;
  }
  Slot& slot(size_t step) { return slots_[step % options_.slots]; }

  const std::vector<Table*> tables_;
  const DeviceRowsOptions options_;
  std::map<std::byte*, HostMemory> pinned_;  // by the buffer's begin
  std::unique_ptr<RowPipeline> pipeline_;
  std::vector<Slot> slots_;
  TierCounts tier_counts_{};
};

}  // namespace engram::gpu_worker

#endif  // ENGRAM_CLIENT_EXAMPLES_GPU_WORKER_DEVICE_ROWS_H_
