// A CUDA driver without a GPU, for tests: the GPU's memory is the host's.
#ifndef ENGRAM_TESTS_CLIENT_EXAMPLES_GPU_WORKER_FAKE_DRIVER_TESTING_H_
#define ENGRAM_TESTS_CLIENT_EXAMPLES_GPU_WORKER_FAKE_DRIVER_TESTING_H_

#include <cstddef>

#include "client/examples/gpu_worker/cuda_driver.h"

namespace engram::gpu_worker {

// What it was told, for the driver's functions have no object: one at a time, in one thread.
struct FakeDriverCounts {
  size_t allocations = 0;      // of the GPU's memory, there now
  size_t registered = 0;       // ranges of host memory pinned now
  size_t pinned_copies = 0;    // done from memory that was pinned when they were
  size_t pageable_copies = 0;  // done from other memory
};

// Work in a stream is done when somebody synchronizes with it or with an event behind it, or waits
// for such an event in a stream that is synchronized with; not before.
//   registers: so many ranges may be pinned; the next fails with CUDA_ERROR_OUT_OF_MEMORY
CudaDriver FakeDriver(FakeDriverCounts& counts, size_t registers = 1000);

// The GPU's memory as the host's.
const std::byte* FakeDeviceBytes(DevicePointer memory);

}  // namespace engram::gpu_worker

#endif  // ENGRAM_TESTS_CLIENT_EXAMPLES_GPU_WORKER_FAKE_DRIVER_TESTING_H_
