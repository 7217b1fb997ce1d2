#include "client/examples/gpu_worker/dynamic_library.h"

#include <dlfcn.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace engram::gpu_worker {

absl::StatusOr<DynamicLibrary> DynamicLibrary::Open(const std::string& purpose,
                                                    const std::vector<std::string>& names) {
  std::vector<std::string> errors;
  for (const std::string& name : names) {
    if (void* const handle = dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL)) {
      return DynamicLibrary(name, handle);
    }
    errors.emplace_back(dlerror());
  }
  return absl::NotFoundError(
      absl::StrCat(purpose, " cannot be loaded: ", absl::StrJoin(errors, "; ")));
}

absl::StatusOr<DynamicLibrary> DynamicLibrary::OpenOfCuda(const std::string& purpose,
                                                          const std::string& stem,
                                                          const std::string& path) {
  if (!path.empty()) return Open(purpose, {path});
  std::vector<std::string> names;
  for (const char* folder : {"", "/usr/local/cuda/lib64/"}) {
    for (const char* version : {"13", "12"}) {
      names.push_back(absl::StrCat(folder, stem, ".so.", version));
    }
  }
  return Open(purpose, names);
}

void* DynamicLibrary::Find(const char* symbol) {
  void* const found = dlsym(handle_, symbol);
  if (found == nullptr && status_.ok()) {
    status_ = absl::NotFoundError(absl::StrCat(name_, " has no function ", symbol));
  }
  return found;
}

}  // namespace engram::gpu_worker
