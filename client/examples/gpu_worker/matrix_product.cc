#include "client/examples/gpu_worker/matrix_product.h"

#include "absl/strings/str_cat.h"
#include "client/examples/gpu_worker/dynamic_library.h"

namespace engram::gpu_worker {
namespace {

// What cublas_v2.h and library_types.h declare.
using CublasStatus = int;
constexpr int kCublasOpN = 0;
constexpr int kCublasOpT = 1;
constexpr int kCudaR16Bf = 14;
constexpr int kCublasCompute32F = 68;
constexpr int kCublasGemmDefault = -1;

// As large as NVIDIA recommends for Hopper.
constexpr size_t kWorkspaceBytes = size_t{32} << 20;

}  // namespace

// Where the header has pointers to the GPU's memory, these take its addresses as they are.
struct Cublas {
  CublasStatus (*create)(CublasContextObject** context);
  CublasStatus (*destroy)(CublasContextObject* context);
  CublasStatus (*set_stream)(CublasContextObject* context, CuStreamObject* stream);
  CublasStatus (*set_workspace)(CublasContextObject* context, DevicePointer workspace,
                                size_t bytes);
  const char* (*get_status_string)(CublasStatus status);
  CublasStatus (*gemm_ex)(CublasContextObject* context, int operation_a, int operation_b, int m,
                          int n, int k, const void* alpha, DevicePointer a, int type_a, int lda,
                          DevicePointer b, int type_b, int ldb, const void* beta, DevicePointer c,
                          int type_c, int ldc, int compute_type, int algorithm);

  absl::Status Check(CublasStatus status, const char* call) const {
    if (status == 0) return absl::OkStatus();
    return absl::InternalError(absl::StrCat(call, " failed: ", get_status_string(status)));
  }
};

namespace {

absl::StatusOr<std::unique_ptr<Cublas>> LoadCublas(const std::string& path) {
  absl::StatusOr<DynamicLibrary> library =
      DynamicLibrary::OpenOfCuda("cuBLAS (--cublas)", "libcublas", path);
  if (!library.ok()) return library.status();
  auto cublas = std::make_unique<Cublas>();
  library->Resolve("cublasCreate_v2", &cublas->create);
  library->Resolve("cublasDestroy_v2", &cublas->destroy);
  library->Resolve("cublasSetStream_v2", &cublas->set_stream);
  library->Resolve("cublasSetWorkspace_v2", &cublas->set_workspace);
  library->Resolve("cublasGetStatusString", &cublas->get_status_string);
  library->Resolve("cublasGemmEx", &cublas->gemm_ex);
  if (!library->status().ok()) return library->status();
  return cublas;
}

}  // namespace

absl::StatusOr<std::unique_ptr<MatrixMultiplier>> MatrixMultiplier::Create(
    const Gpu& gpu, Stream& stream, const std::string& cublas_path) {
  absl::StatusOr<std::unique_ptr<Cublas>> cublas = LoadCublas(cublas_path);
  if (!cublas.ok()) return cublas.status();
  std::unique_ptr<MatrixMultiplier> multiplier(new MatrixMultiplier(*std::move(cublas), stream));
  if (absl::Status status = multiplier->Start(gpu); !status.ok()) return status;
  return multiplier;
}

MatrixMultiplier::MatrixMultiplier(std::unique_ptr<Cublas> cublas, Stream& stream)
    : cublas_(std::move(cublas)), stream_(stream) {}

absl::Status MatrixMultiplier::Start(const Gpu& gpu) {
  absl::Status status = cublas_->Check(cublas_->create(&context_), "cublasCreate");
  if (!status.ok()) return status;
  status = cublas_->Check(cublas_->set_stream(context_, stream_.get()), "cublasSetStream");
  if (!status.ok()) return status;
  absl::StatusOr<DeviceMemory> workspace = gpu.Allocate(kWorkspaceBytes);
  if (!workspace.ok()) return workspace.status();
  workspace_ = *std::move(workspace);
  return cublas_->Check(cublas_->set_workspace(context_, workspace_.get(), kWorkspaceBytes),
                        "cublasSetWorkspace");
}

MatrixMultiplier::~MatrixMultiplier() {
  if (context_ != nullptr) cublas_->destroy(context_);
}

// cuBLAS stores matrices column by column: to it, ours are transposed, and it computes
// out^T [outputs x tokens] = weights [outputs x inputs] * in^T [inputs x tokens].
void MatrixMultiplier::Multiply(const Product& product) {
  if (!stream_.status().ok()) return;
  const float alpha = 1;
  const float beta = product.add ? 1 : 0;
  const auto outputs = static_cast<int>(product.outputs);
  const auto inputs = static_cast<int>(product.inputs);
  stream_.Fail(cublas_->Check(
      cublas_->gemm_ex(context_, kCublasOpT, kCublasOpN, outputs, static_cast<int>(product.tokens),
                       inputs, &alpha, product.weights, kCudaR16Bf, inputs, product.in, kCudaR16Bf,
                       static_cast<int>(product.in_stride), &beta, product.out, kCudaR16Bf, outputs,
                       kCublasCompute32F, kCublasGemmDefault),
      "cublasGemmEx"));
}

}  // namespace engram::gpu_worker
