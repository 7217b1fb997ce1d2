#include "client/examples/gpu_worker/gpu.h"

#include "absl/strings/str_cat.h"

namespace engram::gpu_worker {
namespace {

// The status with what was being done.
absl::Status While(const absl::Status& status, absl::string_view doing) {
  return absl::Status(status.code(), absl::StrCat(status.message(), ", ", doing));
}

}  // namespace

void Stream::CopyToDevice(DevicePointer to, absl::Span<const std::byte> from) {
  if (!status_.ok()) return;
  Check(driver_.memcpy_h_to_d_async(to, from.data(), from.size(), get()), "cuMemcpyHtoDAsync");
}

void Stream::CopyToHost(void* to, DevicePointer from, size_t bytes) {
  if (!status_.ok()) return;
  Check(driver_.memcpy_d_to_h_async(to, from, bytes, get()), "cuMemcpyDtoHAsync");
}

void Stream::Clear(DevicePointer memory, size_t bytes) {
  if (!status_.ok()) return;
  Check(driver_.memset_d8_async(memory, 0, bytes, get()), "cuMemsetD8Async");
}

void Stream::Record(const Event& event) {
  if (!status_.ok()) return;
  Check(driver_.event_record(event.get(), get()), "cuEventRecord");
}

void Stream::WaitFor(const Event& event) {
  if (!status_.ok()) return;
  Check(driver_.stream_wait_event(get(), event.get(), 0), "cuStreamWaitEvent");
}

void Stream::Launch(const Graph& graph) {
  if (!status_.ok()) return;
  Check(driver_.graph_launch(graph.get(), get()), "cuGraphLaunch");
}

void Stream::LaunchKernel(CuFunctionObject* kernel, const LaunchShape& shape, void** parameters) {
  if (!status_.ok()) return;
  Check(driver_.launch_kernel(kernel, static_cast<unsigned>(shape.blocks), 1, 1, shape.threads, 1,
                              1, /*shared_bytes=*/0, get(), parameters, /*extra=*/nullptr),
        "cuLaunchKernel");
}

absl::StatusOr<Graph> Stream::Capture(absl::FunctionRef<void()> issue) {
  if (!status_.ok()) return status_;
  Check(driver_.stream_begin_capture(get(), kCuStreamCaptureModeRelaxed), "cuStreamBeginCapture");
  if (!status_.ok()) return status_;
  issue();
  // Even what failed must be ended, for the stream to be good for anything again.
  CuGraphObject* captured = nullptr;
  Fail(driver_.Check(driver_.stream_end_capture(get(), &captured), "cuStreamEndCapture"));
  const Handle<CuGraphObject> graph(captured, driver_.graph_destroy);
  if (!status_.ok()) return status_;
  CuGraphExecObject* exec = nullptr;
  Check(driver_.graph_instantiate(&exec, graph.get(), 0), "cuGraphInstantiateWithFlags");
  if (!status_.ok()) return status_;
  return Graph(exec, driver_.graph_exec_destroy);
}

absl::Status Stream::Synchronize() {
  Fail(driver_.Check(driver_.stream_synchronize(get()), "cuStreamSynchronize"));
  return status_;
}

absl::StatusOr<std::unique_ptr<Gpu>> Gpu::Open() {
  const absl::StatusOr<CudaDriver> driver = CudaDriver::Load();
  if (!driver.ok()) return driver.status();
  return Open(*driver);
}

absl::StatusOr<std::unique_ptr<Gpu>> Gpu::Open(const CudaDriver& driver) {
  std::unique_ptr<Gpu> gpu(new Gpu(driver));
  if (absl::Status status = gpu->Start(); !status.ok()) return status;
  return gpu;
}

absl::Status Gpu::Start() {
  absl::Status status;
  const auto check = [&](CuResult result, const char* call) {
    status = driver_.Check(result, call);
    return status.ok();
  };
  char name[256] = "";
  CuContextObject* context = nullptr;
  if (!check(driver_.driver_get_version(&driver_version_), "cuDriverGetVersion") ||
      !check(driver_.device_get(&device_, 0), "cuDeviceGet") ||
      !check(driver_.device_get_name(name, sizeof(name), device_), "cuDeviceGetName") ||
      !check(driver_.device_get_attribute(&major_, kCuComputeCapabilityMajor, device_),
             "cuDeviceGetAttribute") ||
      !check(driver_.device_get_attribute(&minor_, kCuComputeCapabilityMinor, device_),
             "cuDeviceGetAttribute") ||
      !check(driver_.device_primary_ctx_retain(&context, device_), "cuDevicePrimaryCtxRetain")) {
    return status;
  }
  retained_ = true;
  name_ = name;
  check(driver_.ctx_set_current(context), "cuCtxSetCurrent");
  return status;
}

Gpu::~Gpu() {
  if (retained_) driver_.device_primary_ctx_release(device_);
}

std::string Gpu::architecture() const { return absl::StrCat("sm_", major_, minor_); }

absl::StatusOr<DeviceMemory> Gpu::Allocate(size_t bytes) const {
  DevicePointer pointer = 0;
  const absl::Status status = driver_.Check(driver_.mem_alloc(&pointer, bytes), "cuMemAlloc");
  if (!status.ok()) return While(status, absl::StrCat("allocating ", bytes, " bytes"));
  return DeviceMemory(&driver_, pointer);
}

absl::StatusOr<HostMemory> Gpu::AllocateHost(size_t bytes) const {
  void* memory = nullptr;
  const absl::Status status =
      driver_.Check(driver_.mem_host_alloc(&memory, bytes, 0), "cuMemHostAlloc");
  if (!status.ok()) return While(status, absl::StrCat("allocating ", bytes, " bytes"));
  return HostMemory(memory, driver_.mem_free_host);
}

absl::StatusOr<HostMemory> Gpu::Pin(absl::Span<std::byte> memory) const {
  const absl::Status status = driver_.Check(
      driver_.mem_host_register(memory.data(), memory.size(), 0), "cuMemHostRegister");
  if (!status.ok()) return While(status, absl::StrCat("pinning ", memory.size(), " bytes"));
  return HostMemory(memory.data(), driver_.mem_host_unregister);
}

absl::StatusOr<std::unique_ptr<Stream>> Gpu::NewStream() const {
  CuStreamObject* stream = nullptr;
  const absl::Status status =
      driver_.Check(driver_.stream_create(&stream, kCuStreamNonBlocking), "cuStreamCreate");
  if (!status.ok()) return status;
  return std::make_unique<Stream>(driver_, Handle<CuStreamObject>(stream, driver_.stream_destroy));
}

absl::StatusOr<Event> Gpu::NewEvent(bool timed) const {
  CuEventObject* event = nullptr;
  const absl::Status status =
      driver_.Check(driver_.event_create(&event, timed ? kCuEventDefault : kCuEventDisableTiming),
                    "cuEventCreate");
  if (!status.ok()) return status;
  return Event(event, driver_.event_destroy);
}

absl::StatusOr<Module> Gpu::LoadModule(const std::string& cubin) const {
  CuModuleObject* module = nullptr;
  const absl::Status status =
      driver_.Check(driver_.module_load_data(&module, cubin.data()), "cuModuleLoadData");
  if (!status.ok()) return status;
  return Module(module, driver_.module_unload);
}

absl::StatusOr<CuFunctionObject*> Gpu::FindKernel(const Module& module, const char* name) const {
  CuFunctionObject* function = nullptr;
  const absl::Status status = driver_.Check(
      driver_.module_get_function(&function, module.get(), name), "cuModuleGetFunction");
  if (!status.ok()) return While(status, absl::StrCat("looking for kernel ", name));
  return function;
}

absl::Status Gpu::Synchronize(const Event& event) const {
  return driver_.Check(driver_.event_synchronize(event.get()), "cuEventSynchronize");
}

absl::StatusOr<double> Gpu::MicrosecondsBetween(const Event& start, const Event& end) const {
  float milliseconds = 0;
  const absl::Status status = driver_.Check(
      driver_.event_elapsed_time(&milliseconds, start.get(), end.get()), "cuEventElapsedTime");
  if (!status.ok()) return status;
  return double{milliseconds} * 1000;
}

}  // namespace engram::gpu_worker
