// Decodes one sequence token by token, as a worker that serves a model does. The model itself is a
// nap; the tokens that it samples are those of a trace.
//
//   decode_worker ADDRESS MODEL CONFIG TOKEN_MAP TRACE [TOKENS]
//
//   decode_worker unix:/run/engramd/engramd.sock v41 model/config.json token_map.u32.zst text.u32
#include <cstddef>
#include <cstdint>
#include <iostream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "client/engram_client.h"
#include "client/hash/hash_config.h"
#include "client/hash/ngram_hasher.h"
#include "client/hash/token_map.h"
#include "client/hash/trace.h"
#include "client/row_pipeline.h"

namespace {

constexpr uint32_t kModelLayers = 40;
constexpr absl::Duration kLayerTime = absl::Microseconds(250);

class DecodeWorker {
 public:
  static absl::StatusOr<DecodeWorker> Create(engram::Client& client, const std::string& model,
                                             engram::NgramHasher hasher) {
    DecodeWorker worker(std::move(hasher));
    std::vector<engram::Table*> tables;
    for (const engram::LayerHash& layer : worker.hasher_.layers()) {
      auto table = client.OpenTable(absl::StrCat(model, "/layer", layer.layer_id));
      if (!table.ok()) return table.status();
      tables.push_back(worker.tables_.emplace_back(*std::move(table)).get());
    }
    // A worker with a GPU gives hooks that pin the buffers: register_buffer, unregister_buffer.
    auto pipeline = engram::RowPipeline::Create(
        client, tables, {.depth = 1, .max_groups = worker.hasher_.max_ngram() - 1});
    if (!pipeline.ok()) return pipeline.status();
    worker.pipeline_ = *std::move(pipeline);
    return worker;
  }

  // One step: computes all layers of a token that has just become known.
  absl::Status Decode(uint32_t token) {
    absl::StatusOr<engram::RowPipeline::Step> step = Submit(token);
    if (!step.ok()) return step.status();
    uint32_t computed = 0;
    for (size_t i = 0; i < tables_.size(); ++i) {
      const uint32_t layer = hasher_.layers()[i].layer_id;
      Compute(layer - std::exchange(computed, layer));
      if (absl::Status status = Collect(*step, i); !status.ok()) return status;
      // step->rows(i) now go to the GPU, and the layer adds them to its input.
    }
    Compute(kModelLayers - computed);
    return absl::OkStatus();
  }

  uint64_t waits() const { return waits_; }
  absl::Duration waited() const { return waited_; }

 private:
  explicit DecodeWorker(engram::NgramHasher hasher) : hasher_(std::move(hasher)) {}

  // Row ids follow from token ids alone, so that all layers are asked for before the first runs.
  absl::StatusOr<engram::RowPipeline::Step> Submit(uint32_t token) {
    batch_.Clear();
    absl::Status status = hasher_.Append({&token, 1}, history_, batch_);
    if (!status.ok()) return status;
    const absl::Time start = absl::Now();
    std::vector<std::vector<uint32_t>> row_ids(tables_.size());
    std::vector<engram::RowPipeline::Request> requests;
    for (size_t i = 0; i < tables_.size(); ++i) {
      row_ids[i].resize(hasher_.ids_per_position());
      status = hasher_.Hash(i, batch_, absl::MakeSpan(row_ids[i]));
      if (!status.ok()) return status;
      const absl::Time needed_at = start + hasher_.layers()[i].layer_id * kLayerTime;
      requests.push_back({.row_ids = row_ids[i], .options = {.needed_at = needed_at}});
    }
    return pipeline_->Submit(requests);
  }

  absl::Status Collect(engram::RowPipeline::Step& step, size_t table) {
    if (const auto status = step.TryWait(table); status.has_value()) return *status;
    ++waits_;
    const absl::Time start = absl::Now();
    absl::Status status = step.Wait(table);
    waited_ += absl::Now() - start;
    return status;
  }

  static void Compute(uint32_t layers) { absl::SleepFor(layers * kLayerTime); }

  engram::NgramHasher hasher_;
  engram::NgramHistory history_ = hasher_.SegmentStart();
  engram::NgramBatch batch_;
  std::vector<std::unique_ptr<engram::Table>> tables_;
  std::unique_ptr<engram::RowPipeline> pipeline_;
  uint64_t waits_ = 0;
  absl::Duration waited_;
};

absl::Status Run(char** argv, uint64_t max_tokens) {
  const auto config = engram::LoadHashConfig(argv[3]);
  if (!config.ok()) return config.status();
  auto map = engram::LoadTokenMap(argv[4]);
  if (!map.ok()) return map.status();
  auto hasher = engram::NgramHasher::Create(*config, *std::move(map));
  if (!hasher.ok()) return hasher.status();
  const auto trace = engram::ReadTrace(argv[5]);
  if (!trace.ok()) return trace.status();
  const auto client = engram::Client::Connect({.address = argv[1]});
  if (!client.ok()) return client.status();
  auto worker = DecodeWorker::Create(**client, argv[2], *std::move(hasher));
  if (!worker.ok()) return worker.status();

  const absl::Time start = absl::Now();
  uint64_t decoded = 0;
  for (; decoded < trace->tokens.size() && decoded < max_tokens; ++decoded) {
    if (absl::Status status = worker->Decode(trace->tokens[decoded]); !status.ok()) return status;
  }
  std::cout << decoded << " tokens, "
            << static_cast<double>(decoded) / absl::ToDoubleSeconds(absl::Now() - start)
            << " tokens/s; waited for rows " << worker->waits() << " times, " << worker->waited()
            << "\n";
  return absl::OkStatus();
}

}  // namespace

int main(int argc, char** argv) {
  uint64_t max_tokens = 1000;
  if (argc < 6 || argc > 7 || (argc == 7 && !absl::SimpleAtoi(argv[6], &max_tokens))) {
    std::cerr << "usage: decode_worker ADDRESS MODEL CONFIG TOKEN_MAP TRACE [TOKENS]\n";
    return 2;
  }
  if (const absl::Status status = Run(argv, max_tokens); !status.ok()) {
    std::cerr << "decode_worker: " << status << "\n";
    return 1;
  }
  return 0;
}
