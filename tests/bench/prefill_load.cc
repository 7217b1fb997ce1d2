#include "tests/bench/prefill_load.h"

#include <algorithm>
#include <deque>

#include "absl/memory/memory.h"
#include "absl/time/clock.h"

namespace engram::bench {
namespace {

constexpr size_t kChunksUnderWay = 3;
// For ids, and what is under way without rows.
constexpr uint64_t kBesideRows = uint64_t{16} << 20;

}  // namespace

absl::StatusOr<std::unique_ptr<PrefillLoad>> PrefillLoad::Connect(
    const BenchDaemon& daemon, const NgramHasher& hasher, const std::vector<std::string>& tables,
    absl::Span<const uint32_t> tokens) {
  auto load = absl::WrapUnique(new PrefillLoad(hasher, tokens));
  const uint64_t chunk_rows = uint64_t{kChunkTokens} * hasher.ids_per_position();
  constexpr uint64_t kMostRowBytes = 272;  // of the checkpoints that are made for it
  auto client = daemon.ConnectClient(kChunksUnderWay * tables.size() * chunk_rows * kMostRowBytes +
                                     kBesideRows);
  if (!client.ok()) return client.status();
  load->client_ = *std::move(client);
  std::vector<Table*> opened;
  for (const std::string& name : tables) {
    auto table = load->client_->OpenTable(name);
    if (!table.ok()) return table.status();
    load->tables_.push_back(*std::move(table));
    opened.push_back(load->tables_.back().get());
  }
  auto pipeline =
      RowPipeline::Create(*load->client_, opened,
                          {.depth = kChunksUnderWay, .max_groups = chunk_rows / hasher.heads()});
  if (!pipeline.ok()) return pipeline.status();
  load->pipeline_ = *std::move(pipeline);
  return load;
}

PrefillLoad::~PrefillLoad() {
  if (thread_.joinable()) thread_.join();
}

void PrefillLoad::Start() {
  thread_ = std::thread([this] {
    const absl::Time start = absl::Now();
    status_ = Run();
    time_ = absl::Now() - start;
    done_.store(true, std::memory_order_release);
  });
}

absl::StatusOr<absl::Duration> PrefillLoad::Finish() {
  thread_.join();
  if (!status_.ok()) return status_;
  return time_;
}

absl::Status PrefillLoad::Run() {
  NgramHistory history = hasher_.SegmentStart();
  std::deque<RowPipeline::Step> steps;
  for (size_t at = 0; at < tokens_.size() || !steps.empty();) {
    if (steps.size() == kChunksUnderWay || at >= tokens_.size()) {
      if (absl::Status status = steps.front().Wait(); !status.ok()) return status;
      steps.pop_front();
      continue;
    }
    const absl::Span<const uint32_t> chunk = tokens_.subspan(at, kChunkTokens);
    auto step = Submit(chunk, &history);
    if (!step.ok()) return step.status();
    steps.push_back(*std::move(step));
    at += chunk.size();
  }
  return absl::OkStatus();
}

absl::StatusOr<RowPipeline::Step> PrefillLoad::Submit(absl::Span<const uint32_t> tokens,
                                                      NgramHistory* history) {
  NgramBatch batch;
  if (absl::Status status = hasher_.Append(tokens, *history, batch); !status.ok()) return status;
  std::vector<std::vector<uint32_t>> ids(tables_.size());
  std::vector<RowPipeline::Request> requests;
  for (size_t layer = 0; layer < tables_.size(); ++layer) {
    ids[layer].resize(tokens.size() * hasher_.ids_per_position());
    const absl::Status status = hasher_.Hash(layer, batch, absl::MakeSpan(ids[layer]));
    if (!status.ok()) return status;
    requests.push_back({.row_ids = ids[layer], .options = {.bulk = true}});
  }
  return pipeline_->Submit(requests);
}

}  // namespace engram::bench
