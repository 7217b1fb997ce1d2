#include "client/examples/gpu_worker/model.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace engram::gpu_worker {
namespace {

constexpr size_t kBf16Bytes = 2;
constexpr unsigned kTokenThreads = 1024;  // of kernels with a block for each token
constexpr unsigned kValueThreads = 256;   // of kernels with a thread for each value
constexpr LaunchShape kFillShape = {.blocks = 2048, .threads = kValueThreads};

}  // namespace

absl::StatusOr<std::unique_ptr<Model>> Model::Create(
    const Gpu& gpu, Stream& stream, const Kernels& kernels, const std::string& cublas_path,
    const ModelShape& shape, const std::vector<uint32_t>& cuts, bool use_graphs) {
  std::unique_ptr<Model> model(new Model(stream, kernels, shape));
  model->ends_.assign(cuts.begin(), cuts.end());
  model->ends_.push_back(shape.layers);
  auto multiplier = MatrixMultiplier::Create(gpu, stream, cublas_path);
  if (!multiplier.ok()) return multiplier.status();
  model->multiplier_ = *std::move(multiplier);
  if (absl::Status status = model->AllocateStates(gpu); !status.ok()) return status;
  for (size_t i = 0; i < shape.layers; ++i) {
    if (absl::Status status = model->MakeLayer(gpu); !status.ok()) return status;
  }
  // Once without graphs: libraries load their kernels at the first use, which no graph may see.
  for (size_t i = 0; i < model->segments(); ++i) model->Issue(i);
  if (absl::Status status = stream.Synchronize(); !status.ok()) return status;
  if (use_graphs) {
    if (absl::Status status = model->CaptureSegments(); !status.ok()) return status;
  }
  return model;
}

absl::Status Model::AllocateStates(const Gpu& gpu) {
  const size_t widest = std::max(shape_.qkv(), 2 * shape_.intermediate);
  const std::pair<DeviceMemory*, size_t> wanted[] = {{&hidden_, shape_.hidden * kBf16Bytes},
                                                     {&normed_, shape_.hidden * kBf16Bytes},
                                                     {&wide_, widest * kBf16Bytes},
                                                     {&gated_, shape_.intermediate * kBf16Bytes},
                                                     {&tokens_, sizeof(uint32_t)}};
  for (const auto& [memory, token_bytes] : wanted) {
    absl::StatusOr<DeviceMemory> allocated = gpu.Allocate(shape_.batch * token_bytes);
    if (!allocated.ok()) return allocated.status();
    *memory = *std::move(allocated);
  }
  stream_.Clear(tokens_.get(), shape_.batch * sizeof(uint32_t));
  absl::StatusOr<HostMemory> sampled = gpu.AllocateHost(shape_.batch * sizeof(uint32_t));
  if (!sampled.ok()) return sampled.status();
  sampled_ = *std::move(sampled);
  return stream_.status();
}

absl::StatusOr<DeviceMemory> Model::MakeWeights(const Gpu& gpu, size_t outputs, size_t inputs) {
  const uint64_t count = uint64_t{outputs} * inputs;
  absl::StatusOr<DeviceMemory> weights = gpu.Allocate(count * kBf16Bytes);
  if (!weights.ok()) return weights.status();
  // Uniform noise of this amplitude gives outputs the variance of the inputs.
  const float amplitude = std::sqrt(3.0F / static_cast<float>(inputs));
  stream_.Launch(kernels_.fill, kFillShape, weights->get(), count, next_seed_, amplitude);
  next_seed_ += count;
  return weights;
}

absl::Status Model::MakeLayer(const Gpu& gpu) {
  const size_t hidden = shape_.hidden;
  Layer& layer = layers_.emplace_back();
  struct Wanted {
    DeviceMemory* weights;
    size_t outputs;
    size_t inputs;
  };
  const Wanted all[] = {{&layer.qkv, shape_.qkv(), hidden},
                        {&layer.output, hidden, hidden},
                        {&layer.gate_up, 2 * shape_.intermediate, hidden},
                        {&layer.down, hidden, shape_.intermediate}};
  for (const Wanted& wanted : all) {
    absl::StatusOr<DeviceMemory> made = MakeWeights(gpu, wanted.outputs, wanted.inputs);
    if (!made.ok()) return made.status();
    *wanted.weights = *std::move(made);
  }
  return stream_.status();
}

absl::Status Model::CaptureSegments() {
  for (size_t i = 0; i < segments(); ++i) {
    absl::StatusOr<Graph> graph = stream_.Capture([this, i] { Issue(i); });
    if (!graph.ok()) return graph.status();
    graphs_.push_back(*std::move(graph));
  }
  return absl::OkStatus();
}

void Model::Launch(size_t segment) {
  if (graphs_.empty()) {
    Issue(segment);
  } else {
    stream_.Launch(graphs_[segment]);
  }
}

void Model::Issue(size_t segment) {
  const LaunchShape by_token = {.blocks = shape_.batch, .threads = kTokenThreads};
  const auto width = static_cast<uint32_t>(shape_.hidden);
  if (segment == 0) {
    stream_.Launch(kernels_.embed, by_token, tokens_.get(), hidden_.get(), width);
  }
  const size_t first = segment == 0 ? 0 : ends_[segment - 1];
  for (size_t i = first; i < ends_[segment]; ++i) IssueLayer(layers_[i]);
  if (segment + 1 == segments()) {
    stream_.Launch(kernels_.sample, by_token, hidden_.get(), width, tokens_.get());
    stream_.CopyToHost(sampled_.get(), tokens_.get(), shape_.batch * sizeof(uint32_t));
  }
}

void Model::IssueLayer(const Layer& layer) {
  const size_t batch = shape_.batch;
  const size_t hidden = shape_.hidden;
  const size_t intermediate = shape_.intermediate;
  const LaunchShape by_token = {.blocks = batch, .threads = kTokenThreads};
  const LaunchShape by_value = {
      .blocks = (batch * intermediate + kValueThreads - 1) / kValueThreads,
      .threads = kValueThreads};
  const auto norm = [&] {
    stream_.Launch(kernels_.rms_norm, by_token, hidden_.get(), normed_.get(),
                   static_cast<uint32_t>(hidden));
  };
  const auto multiply = [&](const DeviceMemory& weights, const DeviceMemory& in, size_t inputs,
                            size_t in_stride, const DeviceMemory& out, size_t outputs, bool add) {
    multiplier_->Multiply({.weights = weights.get(),
                           .in = in.get(),
                           .out = out.get(),
                           .tokens = batch,
                           .inputs = inputs,
                           .outputs = outputs,
                           .in_stride = in_stride,
                           .add = add});
  };
  norm();
  multiply(layer.qkv, normed_, hidden, hidden, wide_, shape_.qkv(), false);
  // The queries stand for what attention would make of them.
  multiply(layer.output, wide_, hidden, shape_.qkv(), hidden_, hidden, true);
  norm();
  multiply(layer.gate_up, normed_, hidden, hidden, wide_, 2 * intermediate, false);
  stream_.Launch(kernels_.silu_multiply, by_value, wide_.get(), gated_.get(),
                 static_cast<uint32_t>(batch), static_cast<uint32_t>(intermediate));
  multiply(layer.down, gated_, intermediate, intermediate, hidden_, hidden, true);
}

}  // namespace engram::gpu_worker
