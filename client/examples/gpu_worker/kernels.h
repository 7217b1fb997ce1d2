// The GPU's programs that are no matrix products, compiled when the worker starts.
#ifndef ENGRAM_CLIENT_EXAMPLES_GPU_WORKER_KERNELS_H_
#define ENGRAM_CLIENT_EXAMPLES_GPU_WORKER_KERNELS_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "client/examples/gpu_worker/gpu.h"

namespace engram::gpu_worker {

// CUDA C++, with a comment on each kernel.
extern const char kKernelSource[];

struct Kernels {
  Module module;
  CuFunctionObject* fill = nullptr;
  CuFunctionObject* embed = nullptr;
  CuFunctionObject* rms_norm = nullptr;
  CuFunctionObject* silu_multiply = nullptr;
  CuFunctionObject* inject_rows = nullptr;
  CuFunctionObject* sample = nullptr;
};

// Compiles them for the GPU with NVRTC.
//   nvrtc_path: the library, or empty for where it usually is
// Returns NOT_FOUND if there is no such library, INTERNAL with the compiler's log, or what the
// driver says.
absl::StatusOr<Kernels> CompileKernels(const Gpu& gpu, const std::string& nvrtc_path);

}  // namespace engram::gpu_worker

#endif  // ENGRAM_CLIENT_EXAMPLES_GPU_WORKER_KERNELS_H_
