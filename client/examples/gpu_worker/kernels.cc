#include "client/examples/gpu_worker/kernels.h"

#include <cstddef>

#include "absl/strings/str_cat.h"
#include "client/examples/gpu_worker/dynamic_library.h"

namespace engram::gpu_worker {
namespace {

// What nvrtc.h declares.
struct NvrtcProgramObject;
using NvrtcResult = int;

struct Nvrtc {
  const char* (*get_error_string)(NvrtcResult result);
  NvrtcResult (*create_program)(NvrtcProgramObject** program, const char* source, const char* name,
                                int header_count, const char* const* headers,
                                const char* const* include_names);
  NvrtcResult (*compile_program)(NvrtcProgramObject* program, int option_count,
                                 const char* const* options);
  NvrtcResult (*destroy_program)(NvrtcProgramObject** program);
  NvrtcResult (*get_program_log_size)(NvrtcProgramObject* program, size_t* size);
  NvrtcResult (*get_program_log)(NvrtcProgramObject* program, char* log);
  NvrtcResult (*get_cubin_size)(NvrtcProgramObject* program, size_t* size);
  NvrtcResult (*get_cubin)(NvrtcProgramObject* program, char* cubin);

  absl::Status Check(NvrtcResult result, const char* call) const {
    if (result == 0) return absl::OkStatus();
    return absl::InternalError(absl::StrCat(call, " failed: ", get_error_string(result)));
  }
};

absl::StatusOr<Nvrtc> LoadNvrtc(const std::string& path) {
  absl::StatusOr<DynamicLibrary> library =
      DynamicLibrary::OpenOfCuda("NVRTC (--nvrtc)", "libnvrtc", path);
  if (!library.ok()) return library.status();
  Nvrtc nvrtc{};
  library->Resolve("nvrtcGetErrorString", &nvrtc.get_error_string);
  library->Resolve("nvrtcCreateProgram", &nvrtc.create_program);
  library->Resolve("nvrtcCompileProgram", &nvrtc.compile_program);
  library->Resolve("nvrtcDestroyProgram", &nvrtc.destroy_program);
  library->Resolve("nvrtcGetProgramLogSize", &nvrtc.get_program_log_size);
  library->Resolve("nvrtcGetProgramLog", &nvrtc.get_program_log);
  library->Resolve("nvrtcGetCUBINSize", &nvrtc.get_cubin_size);
  library->Resolve("nvrtcGetCUBIN", &nvrtc.get_cubin);
  if (!library->status().ok()) return library->status();
  return nvrtc;
}

std::string ReadLog(const Nvrtc& nvrtc, NvrtcProgramObject* program) {
  size_t size = 0;
  if (nvrtc.get_program_log_size(program, &size) != 0 || size == 0) return "";
  std::string log(size, '\0');
  return nvrtc.get_program_log(program, log.data()) == 0 ? log : "";
}

absl::StatusOr<std::string> CompileProgram(const Nvrtc& nvrtc, NvrtcProgramObject* program,
                                           const std::string& architecture) {
  const std::string option = absl::StrCat("--gpu-architecture=", architecture);
  const char* const options[] = {option.c_str(), "--std=c++17"};
  absl::Status status =
      nvrtc.Check(nvrtc.compile_program(program, 2, options), "nvrtcCompileProgram");
  if (!status.ok()) {
    return absl::InternalError(absl::StrCat(status.message(), "\n", ReadLog(nvrtc, program)));
  }
  size_t size = 0;
  status = nvrtc.Check(nvrtc.get_cubin_size(program, &size), "nvrtcGetCUBINSize");
  if (!status.ok()) return status;
  std::string cubin(size, '\0');
  status = nvrtc.Check(nvrtc.get_cubin(program, cubin.data()), "nvrtcGetCUBIN");
  if (!status.ok()) return status;
  return cubin;
}

absl::StatusOr<std::string> Compile(const Nvrtc& nvrtc, const std::string& architecture) {
  NvrtcProgramObject* program = nullptr;
  const absl::Status status = nvrtc.Check(
      nvrtc.create_program(&program, kKernelSource, "kernel_source.cu", 0, nullptr, nullptr),
      "nvrtcCreateProgram");
  if (!status.ok()) return status;
  absl::StatusOr<std::string> cubin = CompileProgram(nvrtc, program, architecture);
  nvrtc.destroy_program(&program);
  return cubin;
}

}  // namespace

absl::StatusOr<Kernels> CompileKernels(const Gpu& gpu, const std::string& nvrtc_path) {
  const absl::StatusOr<Nvrtc> nvrtc = LoadNvrtc(nvrtc_path);
  if (!nvrtc.ok()) return nvrtc.status();
  const absl::StatusOr<std::string> cubin = Compile(*nvrtc, gpu.architecture());
  if (!cubin.ok()) return cubin.status();
  absl::StatusOr<Module> module = gpu.LoadModule(*cubin);
  if (!module.ok()) return module.status();

  Kernels kernels{.module = *std::move(module)};
  const std::pair<const char*, CuFunctionObject**> wanted[] = {
      {"fill", &kernels.fill},
      {"embed", &kernels.embed},
      {"rms_norm", &kernels.rms_norm},
      {"silu_multiply", &kernels.silu_multiply},
      {"inject_rows", &kernels.inject_rows},
      {"sample", &kernels.sample}};
  for (const auto& [name, function] : wanted) {
    const absl::StatusOr<CuFunctionObject*> found = gpu.FindKernel(kernels.module, name);
    if (!found.ok()) return found.status();
    *function = *found;
  }
  return kernels;
}

}  // namespace engram::gpu_worker
