// A stand-in for a dense transformer: what one decode step costs a GPU, without any meaning.
#ifndef ENGRAM_CLIENT_EXAMPLES_GPU_WORKER_MODEL_H_
#define ENGRAM_CLIENT_EXAMPLES_GPU_WORKER_MODEL_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/examples/gpu_worker/gpu.h"
#include "client/examples/gpu_worker/kernels.h"
#include "client/examples/gpu_worker/matrix_product.h"

namespace engram::gpu_worker {

struct ModelShape {
  size_t layers = 40;
  size_t hidden = 6144;
  size_t intermediate = 6144;
  size_t batch = 1;  // tokens of one step: one of each sequence

  // Queries of full width, keys and values of an eighth: grouped-query attention.
  size_t qkv() const { return hidden + hidden / 4; }
  size_t layer_weights() const {
    return hidden * qkv() + hidden * hidden + 3 * hidden * intermediate;
  }
  // Two bytes a weight; a step streams all of them from the GPU's memory.
  uint64_t weight_bytes() const { return uint64_t{2} * layers * layer_weights(); }
};

// All matrix products of the layers are there, each with weights of its own, noise. Attention's
// reading of earlier tokens is not: a step is then as short as one can be, and what rows cost
// weighs the most.
//
// A step's layers run as segments, cut before each layer that rows are added at. Each segment is
// one graph: to launch it takes one call, however many kernels it has.
class Model {
 public:
  // cuts: the layers to cut before; rising, each above 0 and below shape.layers
  // use_graphs: false launches kernel by kernel
  // The GPU, the stream and the kernels must outlive the model.
  static absl::StatusOr<std::unique_ptr<Model>> Create(
      const Gpu& gpu, Stream& stream, const Kernels& kernels, const std::string& cublas_path,
      const ModelShape& shape, const std::vector<uint32_t>& cuts, bool use_graphs);

  const ModelShape& shape() const { return shape_; }
  size_t segments() const { return ends_.size(); }

  // Queues a segment's layers. The first begins with embedding the tokens that the last step
  // sampled, the last ends with sampling, and with copying what was sampled to the host.
  // Errors show in the stream's status.
  void Launch(size_t segment);

  // [batch x hidden] bfloat16: the state between segments.
  DevicePointer hidden() const { return hidden_.get(); }

 private:
  struct Layer {
    DeviceMemory qkv;      // [qkv() x hidden]
    DeviceMemory output;   // [hidden x hidden]
    DeviceMemory gate_up;  // [2 * intermediate x hidden]
    DeviceMemory down;     // [hidden x intermediate]
  };

  Model(Stream& stream, const Kernels& kernels, const ModelShape& shape)
      : stream_(stream), kernels_(kernels), shape_(shape) {}
  absl::Status AllocateStates(const Gpu& gpu);
  absl::Status MakeLayer(const Gpu& gpu);
  absl::StatusOr<DeviceMemory> MakeWeights(const Gpu& gpu, size_t outputs, size_t inputs);
  absl::Status CaptureSegments();
  void Issue(size_t segment);
  void IssueLayer(const Layer& layer);

  Stream& stream_;
  const Kernels& kernels_;
  const ModelShape shape_;
  std::unique_ptr<MatrixMultiplier> multiplier_;
  std::vector<size_t> ends_;  // [segments], the layer after each's last
  std::vector<Layer> layers_;
  uint64_t next_seed_ = 1;
  DeviceMemory hidden_;  // [batch x hidden]
  DeviceMemory normed_;  // [batch x hidden]
  DeviceMemory wide_;    // [batch x the widest product]
  DeviceMemory gated_;   // [batch x intermediate]
  DeviceMemory tokens_;  // [batch], 32 bits each
  HostMemory sampled_{nullptr, nullptr};
  std::vector<Graph> graphs_;  // [segments], or empty
};

}  // namespace engram::gpu_worker

#endif  // ENGRAM_CLIENT_EXAMPLES_GPU_WORKER_MODEL_H_
