// What is done with rows on the GPU, and the same on the host, to compare with.
#ifndef ENGRAM_CLIENT_EXAMPLES_GPU_WORKER_INJECTION_H_
#define ENGRAM_CLIENT_EXAMPLES_GPU_WORKER_INJECTION_H_

#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "client/engram_client.h"
#include "client/examples/gpu_worker/gpu.h"
#include "client/examples/gpu_worker/kernels.h"

namespace engram::gpu_worker {

// The rows of one token at one layer: E4M3 values, then an E8M0 scale for each block of them.
struct RowLayout {
  uint32_t rows_per_token = 0;
  uint32_t row_bytes = 0;
  uint32_t values = 0;  // of one row
  uint32_t scale_block = 0;

  size_t token_bytes() const { return size_t{rows_per_token} * row_bytes; }
  friend bool operator==(const RowLayout&, const RowLayout&) = default;
};

// Returns FAILED_PRECONDITION if the table's rows are of another format than this program reads.
absl::StatusOr<RowLayout> LayoutOf(const Table& table, size_t rows_per_token);

// Where the kernel finds the rows and what it changes.
struct Injection {
  DevicePointer rows;      // [tokens x layout.token_bytes()]
  DevicePointer hidden;    // [tokens x width] bfloat16
  DevicePointer checksum;  // 64 bits, raised by ChecksumRows of the rows
  size_t tokens;
  size_t width;
};

// Queues the kernel inject_rows.
void Inject(const Kernels& kernels, const RowLayout& layout, const Injection& injection,
            Stream& stream);

// The kernel's checksum of a step's rows, [tokens x rows_per_token x row_bytes]: one wrong byte
// changes it, and so do two rows that changed places.
uint64_t ChecksumRows(absl::Span<const std::byte> rows);

// What the kernel does to the hidden states of width hidden.size() / tokens, computed otherwise.
void InjectOnHost(const RowLayout& layout, absl::Span<const std::byte> rows, size_t tokens,
                  absl::Span<uint16_t> hidden);

// Runs the kernel on rows that hold every byte value, and compares with the host: hidden states and
// checksum, bit by bit. Returns INTERNAL if they differ, or what the driver says.
absl::Status CheckInjection(const Gpu& gpu, const Kernels& kernels, const RowLayout& layout,
                            size_t width, Stream& stream);

}  // namespace engram::gpu_worker

#endif  // ENGRAM_CLIENT_EXAMPLES_GPU_WORKER_INJECTION_H_
