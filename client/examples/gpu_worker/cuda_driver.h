// What this program calls of CUDA's driver API, with declarations of its own: nothing of CUDA is
// needed to build it. Types and numbers are those of cuda.h.
#ifndef ENGRAM_CLIENT_EXAMPLES_GPU_WORKER_CUDA_DRIVER_H_
#define ENGRAM_CLIENT_EXAMPLES_GPU_WORKER_CUDA_DRIVER_H_

#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace engram::gpu_worker {

using CuResult = int;
using CuDevice = int;
using DevicePointer = uint64_t;  // CUdeviceptr: an address of the GPU's

struct CuContextObject;
struct CuEventObject;
struct CuFunctionObject;
struct CuGraphObject;
struct CuGraphExecObject;
struct CuModuleObject;
struct CuStreamObject;

inline constexpr int kCuComputeCapabilityMajor = 75;  // CU_DEVICE_ATTRIBUTE_...
inline constexpr int kCuComputeCapabilityMinor = 76;
inline constexpr unsigned kCuStreamNonBlocking = 1;
inline constexpr unsigned kCuEventDefault = 0;
inline constexpr unsigned kCuEventDisableTiming = 2;
inline constexpr int kCuStreamCaptureModeRelaxed = 2;

struct CudaDriver {
  // Loads libcuda.so.1, which comes with the GPU's kernel driver, and calls cuInit.
  //   NOT_FOUND  there is no driver, or one too old
  //   INTERNAL   it does not start: no GPU, or one that it cannot use
  static absl::StatusOr<CudaDriver> Load();

  // Returns OK, RESOURCE_EXHAUSTED for want of GPU memory, or INTERNAL; names the call and says
  // what CUDA says.
  absl::Status Check(CuResult result, const char* call) const;

  CuResult (*init)(unsigned flags);
  CuResult (*driver_get_version)(int* version);
  CuResult (*get_error_name)(CuResult result, const char** text);
  CuResult (*get_error_string)(CuResult result, const char** text);

  CuResult (*device_get)(CuDevice* device, int ordinal);
  CuResult (*device_get_name)(char* name, int length, CuDevice device);
  CuResult (*device_get_attribute)(int* value, int attribute, CuDevice device);
  CuResult (*device_primary_ctx_retain)(CuContextObject** context, CuDevice device);
  CuResult (*device_primary_ctx_release)(CuDevice device);
  CuResult (*ctx_set_current)(CuContextObject* context);

  CuResult (*mem_alloc)(DevicePointer* memory, size_t bytes);
  CuResult (*mem_free)(DevicePointer memory);
  CuResult (*mem_host_alloc)(void** memory, size_t bytes, unsigned flags);
  CuResult (*mem_free_host)(void* memory);
  CuResult (*mem_host_register)(void* memory, size_t bytes, unsigned flags);
  CuResult (*mem_host_unregister)(void* memory);
  CuResult (*memcpy_h_to_d_async)(DevicePointer to, const void* from, size_t bytes,
                                  CuStreamObject* stream);
  CuResult (*memcpy_d_to_h_async)(void* to, DevicePointer from, size_t bytes,
                                  CuStreamObject* stream);
  CuResult (*memset_d8_async)(DevicePointer memory, unsigned char value, size_t bytes,
                              CuStreamObject* stream);

  CuResult (*stream_create)(CuStreamObject** stream, unsigned flags);
  CuResult (*stream_destroy)(CuStreamObject* stream);
  CuResult (*stream_synchronize)(CuStreamObject* stream);
  CuResult (*stream_wait_event)(CuStreamObject* stream, CuEventObject* event, unsigned flags);
  CuResult (*stream_begin_capture)(CuStreamObject* stream, int mode);
  CuResult (*stream_end_capture)(CuStreamObject* stream, CuGraphObject** graph);

  CuResult (*event_create)(CuEventObject** event, unsigned flags);
  CuResult (*event_destroy)(CuEventObject* event);
  CuResult (*event_record)(CuEventObject* event, CuStreamObject* stream);
  CuResult (*event_synchronize)(CuEventObject* event);
  CuResult (*event_elapsed_time)(float* milliseconds, CuEventObject* start, CuEventObject* end);

  // The graph's flags are 64 bits wide.
  CuResult (*graph_instantiate)(CuGraphExecObject** exec, CuGraphObject* graph, uint64_t flags);
  CuResult (*graph_launch)(CuGraphExecObject* exec, CuStreamObject* stream);
  CuResult (*graph_exec_destroy)(CuGraphExecObject* exec);
  CuResult (*graph_destroy)(CuGraphObject* graph);

  CuResult (*module_load_data)(CuModuleObject** module, const void* image);
  CuResult (*module_unload)(CuModuleObject* module);
  CuResult (*module_get_function)(CuFunctionObject** function, CuModuleObject* module,
                                  const char* name);
  CuResult (*launch_kernel)(CuFunctionObject* function, unsigned grid_x, unsigned grid_y,
                            unsigned grid_z, unsigned block_x, unsigned block_y, unsigned block_z,
                            unsigned shared_bytes, CuStreamObject* stream, void** parameters,
                            void** extra);
};

}  // namespace engram::gpu_worker

#endif  // ENGRAM_CLIENT_EXAMPLES_GPU_WORKER_CUDA_DRIVER_H_
