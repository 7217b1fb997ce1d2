// Libraries that are looked for when the program runs, so that it builds where there are none.
#ifndef ENGRAM_CLIENT_EXAMPLES_GPU_WORKER_DYNAMIC_LIBRARY_H_
#define ENGRAM_CLIENT_EXAMPLES_GPU_WORKER_DYNAMIC_LIBRARY_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace engram::gpu_worker {

// An open library. It stays open until the process ends: what CUDA's libraries leave behind in
// threads and at exit does not outlive their code.
class DynamicLibrary {
 public:
  // Opens the first of `names` that can be: sonames, which the dynamic linker looks for, or paths.
  //   purpose: what it is for, "the CUDA driver"
  // Returns NOT_FOUND with the linker's word on each of the names.
  static absl::StatusOr<DynamicLibrary> Open(const std::string& purpose,
                                             const std::vector<std::string>& names);

  // Opens `path`, or if that is empty the library `stem` of CUDA 13 or 12, "libcublas", where the
  // linker or CUDA's usual folder has it. Returns as Open.
  static absl::StatusOr<DynamicLibrary> OpenOfCuda(const std::string& purpose,
                                                   const std::string& stem,
                                                   const std::string& path);

  const std::string& name() const { return name_; }

  // Sets `function` to the library's function of that name. A missing one shows in status().
  template <typename Function>
  void Resolve(const char* symbol, Function** function) {
    *function = reinterpret_cast<Function*>(Find(symbol));
  }

  // Returns OK or NOT_FOUND naming the first function that was asked for and is not there.
  const absl::Status& status() const { return status_; }

 private:
  DynamicLibrary(std::string name, void* handle) : name_(std::move(name)), handle_(handle) {}
  void* Find(const char* symbol);

  std::string name_;
  void* handle_;
  absl::Status status_;
};

}  // namespace engram::gpu_worker

#endif  // ENGRAM_CLIENT_EXAMPLES_GPU_WORKER_DYNAMIC_LIBRARY_H_
