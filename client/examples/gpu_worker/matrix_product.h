// Matrix products of bfloat16, by cuBLAS.
#ifndef ENGRAM_CLIENT_EXAMPLES_GPU_WORKER_MATRIX_PRODUCT_H_
#define ENGRAM_CLIENT_EXAMPLES_GPU_WORKER_MATRIX_PRODUCT_H_

#include <cstddef>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/examples/gpu_worker/gpu.h"

namespace engram::gpu_worker {

struct CublasContextObject;
struct Cublas;  // the library's functions

// A dense layer's product: out = in * weights^T, or out += of it. All are stored row by row.
struct Product {
  DevicePointer weights;  // [outputs x inputs]
  DevicePointer in;       // [tokens x inputs], its rows `in_stride` elements apart
  DevicePointer out;      // [tokens x outputs]
  size_t tokens;
  size_t inputs;
  size_t outputs;
  size_t in_stride;
  bool add;
};

// Queues products in one stream. Outlives none of the GPU and the stream.
class MatrixMultiplier {
 public:
  // cublas_path: the library, or empty for where it usually is
  // Returns NOT_FOUND if there is no such library, or INTERNAL with the call that failed.
  static absl::StatusOr<std::unique_ptr<MatrixMultiplier>> Create(const Gpu& gpu, Stream& stream,
                                                                  const std::string& cublas_path);
  ~MatrixMultiplier();

  // An error shows in the stream's status.
  void Multiply(const Product& product);

 private:
  MatrixMultiplier(std::unique_ptr<Cublas> cublas, Stream& stream);
  absl::Status Start(const Gpu& gpu);

  const std::unique_ptr<Cublas> cublas_;
  Stream& stream_;
  CublasContextObject* context_ = nullptr;
  // Memory for its intermediate results: cuBLAS allocates none while a graph is captured.
  DeviceMemory workspace_;
};

}  // namespace engram::gpu_worker

#endif  // ENGRAM_CLIENT_EXAMPLES_GPU_WORKER_MATRIX_PRODUCT_H_
