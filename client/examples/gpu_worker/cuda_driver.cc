#include "client/examples/gpu_worker/cuda_driver.h"

#include "absl/strings/str_cat.h"
#include "client/examples/gpu_worker/dynamic_library.h"

namespace engram::gpu_worker {
namespace {

constexpr CuResult kCuSuccess = 0;
constexpr CuResult kCuOutOfMemory = 2;

// Where cuda.h maps a name to a later version of the function, by that version's name.
void ResolveMemory(DynamicLibrary& library, CudaDriver& driver) {
  library.Resolve("cuMemAlloc_v2", &driver.mem_alloc);
  library.Resolve("cuMemFree_v2", &driver.mem_free);
  library.Resolve("cuMemHostAlloc", &driver.mem_host_alloc);
  library.Resolve("cuMemFreeHost", &driver.mem_free_host);
  library.Resolve("cuMemHostRegister_v2", &driver.mem_host_register);
  library.Resolve("cuMemHostUnregister", &driver.mem_host_unregister);
  library.Resolve("cuMemcpyHtoDAsync_v2", &driver.memcpy_h_to_d_async);
  library.Resolve("cuMemcpyDtoHAsync_v2", &driver.memcpy_d_to_h_async);
  library.Resolve("cuMemsetD8Async", &driver.memset_d8_async);
}

void ResolveStreams(DynamicLibrary& library, CudaDriver& driver) {
  library.Resolve("cuStreamCreate", &driver.stream_create);
  library.Resolve("cuStreamDestroy_v2", &driver.stream_destroy);
  library.Resolve("cuStreamSynchronize", &driver.stream_synchronize);
  library.Resolve("cuStreamWaitEvent", &driver.stream_wait_event);
  library.Resolve("cuStreamBeginCapture_v2", &driver.stream_begin_capture);
  library.Resolve("cuStreamEndCapture", &driver.stream_end_capture);
  library.Resolve("cuEventCreate", &driver.event_create);
  library.Resolve("cuEventDestroy_v2", &driver.event_destroy);
  library.Resolve("cuEventRecord", &driver.event_record);
  library.Resolve("cuEventSynchronize", &driver.event_synchronize);
  library.Resolve("cuEventElapsedTime", &driver.event_elapsed_time);
}

void ResolveWork(DynamicLibrary& library, CudaDriver& driver) {
  library.Resolve("cuGraphInstantiateWithFlags", &driver.graph_instantiate);
  library.Resolve("cuGraphLaunch", &driver.graph_launch);
  library.Resolve("cuGraphExecDestroy", &driver.graph_exec_destroy);
  library.Resolve("cuGraphDestroy", &driver.graph_destroy);
  library.Resolve("cuModuleLoadData", &driver.module_load_data);
  library.Resolve("cuModuleUnload", &driver.module_unload);
  library.Resolve("cuModuleGetFunction", &driver.module_get_function);
  library.Resolve("cuLaunchKernel", &driver.launch_kernel);
}

void ResolveDevice(DynamicLibrary& library, CudaDriver& driver) {
  library.Resolve("cuInit", &driver.init);
  library.Resolve("cuDriverGetVersion", &driver.driver_get_version);
  library.Resolve("cuGetErrorName", &driver.get_error_name);
  library.Resolve("cuGetErrorString", &driver.get_error_string);
  library.Resolve("cuDeviceGet", &driver.device_get);
  library.Resolve("cuDeviceGetName", &driver.device_get_name);
  library.Resolve("cuDeviceGetAttribute", &driver.device_get_attribute);
  library.Resolve("cuDevicePrimaryCtxRetain", &driver.device_primary_ctx_retain);
  library.Resolve("cuDevicePrimaryCtxRelease_v2", &driver.device_primary_ctx_release);
  library.Resolve("cuCtxSetCurrent", &driver.ctx_set_current);
}

}  // namespace

absl::StatusOr<CudaDriver> CudaDriver::Load() {
  absl::StatusOr<DynamicLibrary> library =
      DynamicLibrary::Open("the CUDA driver", {"libcuda.so.1"});
  if (!library.ok()) return library.status();
  CudaDriver driver{};
  ResolveDevice(*library, driver);
  ResolveMemory(*library, driver);
  ResolveStreams(*library, driver);
  ResolveWork(*library, driver);
  if (!library->status().ok()) return library->status();
  if (absl::Status status = driver.Check(driver.init(0), "cuInit"); !status.ok()) return status;
  return driver;
}

absl::Status CudaDriver::Check(CuResult result, const char* call) const {
  if (result == kCuSuccess) return absl::OkStatus();
  const char* name = nullptr;
  const char* text = nullptr;
  get_error_name(result, &name);
  get_error_string(result, &text);
  const std::string message =
      absl::StrCat(call, " failed: ", name == nullptr ? "unknown error" : name, " (", result, ")",
                   text == nullptr ? "" : ", ", text == nullptr ? "" : text);
  return result == kCuOutOfMemory ? absl::ResourceExhaustedError(message)
                                  : absl::InternalError(message);
}

}  // namespace engram::gpu_worker
