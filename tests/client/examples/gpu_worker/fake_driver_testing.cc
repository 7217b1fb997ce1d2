#include "tests/client/examples/gpu_worker/fake_driver_testing.h"

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <functional>
#include <map>

namespace engram::gpu_worker {

// Defined here, as whatever they are is the driver's business.
struct CuStreamObject {
  std::deque<std::function<void()>> work;
  size_t done = 0;

  void DoUpTo(size_t end) {
    while (done < end) {
      const std::function<void()> next = std::move(work.front());
      work.pop_front();
      ++done;
      next();
    }
  }
  size_t end() const { return done + work.size(); }
};

struct CuEventObject {
  CuStreamObject* stream = nullptr;
  size_t place = 0;  // in the stream's work
};

namespace {

constexpr CuResult kOutOfMemory = 2;

struct State {
  FakeDriverCounts* counts = nullptr;
  size_t registers = 0;
  std::map<const std::byte*, size_t> registered;
};

State& state() {
  static State state;
  return state;
}

bool Pinned(const std::byte* memory, size_t bytes) {
  auto range = state().registered.upper_bound(memory);
  if (range == state().registered.begin()) return false;
  --range;
  return memory + bytes <= range->first + range->second;
}

CuResult HostRegister(void* memory, size_t bytes, unsigned /*flags*/) {
  if (state().registered.size() == state().registers) return kOutOfMemory;
  state().registered.emplace(static_cast<std::byte*>(memory), bytes);
  ++state().counts->registered;
  return 0;
}

CuResult HostUnregister(void* memory) {
  const size_t erased = state().registered.erase(static_cast<std::byte*>(memory));
  state().counts->registered -= erased;
  return erased == 1 ? 0 : 1;
}

CuResult Copy(DevicePointer to, const void* from, size_t bytes, CuStreamObject* stream) {
  stream->work.emplace_back([=] {
    const auto* source = static_cast<const std::byte*>(from);
    ++(Pinned(source, bytes) ? state().counts->pinned_copies : state().counts->pageable_copies);
    std::memcpy(reinterpret_cast<void*>(to), source, bytes);
  });
  return 0;
}

CuResult WaitEvent(CuStreamObject* stream, CuEventObject* event, unsigned /*flags*/) {
  stream->work.emplace_back([from = event->stream, place = event->place] { from->DoUpTo(place); });
  return 0;
}

void FillDevice(CudaDriver& driver) {
  driver.driver_get_version = [](int* version) {
    *version = 13000;
    return 0;
  };
  driver.get_error_name = [](CuResult result, const char** name) {
    *name = result == kOutOfMemory ? "CUDA_ERROR_OUT_OF_MEMORY" : "CUDA_ERROR_INVALID_VALUE";
    return 0;
  };
  driver.get_error_string = [](CuResult, const char** text) {
    *text = "it was told to fail";
    return 0;
  };
  driver.device_get = [](CuDevice*, int) { return 0; };
  driver.device_get_name = [](char* name, int, CuDevice) {
    std::strcpy(name, "fake");
    return 0;
  };
  driver.device_get_attribute = [](int* value, int, CuDevice) {
    *value = 9;
    return 0;
  };
  driver.device_primary_ctx_retain = [](CuContextObject**, CuDevice) { return 0; };
  driver.device_primary_ctx_release = [](CuDevice) { return 0; };
  driver.ctx_set_current = [](CuContextObject*) { return 0; };
}

void FillMemory(CudaDriver& driver) {
  driver.mem_alloc = [](DevicePointer* memory, size_t bytes) {
    *memory = reinterpret_cast<DevicePointer>(std::calloc(bytes, 1));
    ++state().counts->allocations;
    return 0;
  };
  driver.mem_free = [](DevicePointer memory) {
    std::free(reinterpret_cast<void*>(memory));
    --state().counts->allocations;
    return 0;
  };
  driver.mem_host_register = HostRegister;
  driver.mem_host_unregister = HostUnregister;
  driver.memcpy_h_to_d_async = Copy;
}

void FillStreams(CudaDriver& driver) {
  driver.stream_create = [](CuStreamObject** stream, unsigned) {
    *stream = new CuStreamObject;
    return 0;
  };
  driver.stream_destroy = [](CuStreamObject* stream) {
    delete stream;
    return 0;
  };
  driver.stream_synchronize = [](CuStreamObject* stream) {
    stream->DoUpTo(stream->end());
    return 0;
  };
  driver.stream_wait_event = WaitEvent;
  driver.event_create = [](CuEventObject** event, unsigned) {
    *event = new CuEventObject;
    return 0;
  };
  driver.event_destroy = [](CuEventObject* event) {
    delete event;
    return 0;
  };
  driver.event_record = [](CuEventObject* event, CuStreamObject* stream) {
    *event = {.stream = stream, .place = stream->end()};
    return 0;
  };
  driver.event_synchronize = [](CuEventObject* event) {
    event->stream->DoUpTo(event->place);
    return 0;
  };
}

}  // namespace

CudaDriver FakeDriver(FakeDriverCounts& counts, size_t registers) {
  state() = {.counts = &counts, .registers = registers, .registered = {}};
  CudaDriver driver{};
  FillDevice(driver);
  FillMemory(driver);
  FillStreams(driver);
  return driver;
}

const std::byte* FakeDeviceBytes(DevicePointer memory) {
  return reinterpret_cast<const std::byte*>(memory);
}

}  // namespace engram::gpu_worker
