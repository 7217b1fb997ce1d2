// A GPU, its memory, and the work that is queued for it.
#ifndef ENGRAM_CLIENT_EXAMPLES_GPU_WORKER_GPU_H_
#define ENGRAM_CLIENT_EXAMPLES_GPU_WORKER_GPU_H_

#include <cstddef>
#include <memory>
#include <string>
#include <utility>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "client/examples/gpu_worker/cuda_driver.h"

namespace engram::gpu_worker {

// An object of the driver's, destroyed by the driver's function for it.
template <typename Object>
using Handle = std::unique_ptr<Object, CuResult (*)(Object*)>;
using Event = Handle<CuEventObject>;
using Graph = Handle<CuGraphExecObject>;
using Module = Handle<CuModuleObject>;
// Host memory that the GPU's copy engines reach: allocated so, or pinned.
using HostMemory = Handle<void>;

// Memory of the GPU's.
class DeviceMemory {
 public:
  DeviceMemory() = default;
  DeviceMemory(const CudaDriver* driver, DevicePointer pointer)
      : driver_(driver), pointer_(pointer) {}
  DeviceMemory(DeviceMemory&& other) noexcept { swap(other); }
  DeviceMemory& operator=(DeviceMemory&& other) noexcept {
    swap(other);
    return *this;
  }
  ~DeviceMemory() {
    if (driver_ != nullptr) driver_->mem_free(pointer_);
  }

  DevicePointer get() const { return pointer_; }

 private:
  void swap(DeviceMemory& other) noexcept {
    std::swap(driver_, other.driver_);
    std::swap(pointer_, other.pointer_);
  }
  const CudaDriver* driver_ = nullptr;
  DevicePointer pointer_ = 0;
};

struct LaunchShape {
  size_t blocks = 1;
  unsigned threads = 1;  // of a block
};

// Work for the GPU, done in order. Its functions queue work and return at once. The first that
// fails makes all later ones do nothing: a caller checks status() once for many.
class Stream {
 public:
  Stream(const CudaDriver& driver, Handle<CuStreamObject> stream)
      : driver_(driver), stream_(std::move(stream)) {}

  CuStreamObject* get() const { return stream_.get(); }
  const absl::Status& status() const { return status_; }
  void Fail(const absl::Status& status) { status_.Update(status); }

  void CopyToDevice(DevicePointer to, absl::Span<const std::byte> from);
  void CopyToHost(void* to, DevicePointer from, size_t bytes);
  void Clear(DevicePointer memory, size_t bytes);
  void Record(const Event& event);
  void WaitFor(const Event& event);
  void Launch(const Graph& graph);

  // The arguments must have the very types that the kernel declares; DevicePointer for pointers.
  template <typename... Arguments>
  void Launch(CuFunctionObject* kernel, const LaunchShape& shape, Arguments... arguments) {
    void* parameters[] = {&arguments...};
    LaunchKernel(kernel, shape, parameters);
  }

  // Makes a graph of what `issue` queues in this stream, and runs nothing of it.
  absl::StatusOr<Graph> Capture(absl::FunctionRef<void()> issue);

  // Waits until all that was queued is done, even after an error. Returns the first error.
  absl::Status Synchronize();

 private:
  void LaunchKernel(CuFunctionObject* kernel, const LaunchShape& shape, void** parameters);
  void Check(CuResult result, const char* call) { status_ = driver_.Check(result, call); }

  const CudaDriver& driver_;
  Handle<CuStreamObject> stream_;
  absl::Status status_;
};

// The first GPU, with its primary context current in the thread that opened it. Use it in that
// thread alone; it outlives all that it made.
class Gpu {
 public:
  // Returns what CudaDriver::Load does, and INTERNAL or RESOURCE_EXHAUSTED from any call of it.
  static absl::StatusOr<std::unique_ptr<Gpu>> Open();
  // With a driver that is loaded already, or is a test's.
  static absl::StatusOr<std::unique_ptr<Gpu>> Open(const CudaDriver& driver);
  ~Gpu();
  Gpu(const Gpu&) = delete;
  Gpu& operator=(const Gpu&) = delete;

  const CudaDriver& driver() const { return driver_; }
  const std::string& name() const { return name_; }
  int driver_version() const { return driver_version_; }  // 13000: CUDA 13.0
  // "sm_90": what to compile kernels for.
  std::string architecture() const;

  absl::StatusOr<DeviceMemory> Allocate(size_t bytes) const;
  absl::StatusOr<HostMemory> AllocateHost(size_t bytes) const;
  // Pins memory that is there already: whole pages, which stay where they are.
  absl::StatusOr<HostMemory> Pin(absl::Span<std::byte> memory) const;
  absl::StatusOr<std::unique_ptr<Stream>> NewStream() const;
  absl::StatusOr<Event> NewEvent(bool timed) const;
  absl::StatusOr<Module> LoadModule(const std::string& cubin) const;
  absl::StatusOr<CuFunctionObject*> FindKernel(const Module& module, const char* name) const;

  absl::Status Synchronize(const Event& event) const;
  // Of two events that were recorded and have passed; timed ones.
  absl::StatusOr<double> MicrosecondsBetween(const Event& start, const Event& end) const;

 private:
  explicit Gpu(const CudaDriver& driver) : driver_(driver) {}
  absl::Status Start();

  const CudaDriver driver_;
  CuDevice device_ = 0;
  bool retained_ = false;
  std::string name_;
  int driver_version_ = 0;
  int major_ = 0;
  int minor_ = 0;
};

}  // namespace engram::gpu_worker

#endif  // ENGRAM_CLIENT_EXAMPLES_GPU_WORKER_GPU_H_
