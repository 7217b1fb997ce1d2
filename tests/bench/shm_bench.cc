#include "tests/bench/shm_bench.h"

#include <algorithm>
#include <cstring>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "client/engram_client.h"
#include "storage/ram/huge_region.h"
#include "storage/table_spec.h"
#include "tests/bench/bench_daemon.h"
#include "tests/bench/bench_table.h"
#include "tests/bench/gather_loops.h"
#include "tests/bench/grpc_servers.h"
#include "tests/bench/measure.h"

namespace engram::bench {
namespace {

using storage::HugeRegion;
using storage::RowId;

constexpr size_t kBatches = 64;
constexpr absl::Duration kPace = absl::Milliseconds(10);

// One way to the daemon, where its rows go, and what was measured of it.
struct Transport {
  BenchClient client;
  absl::Span<std::byte> rows;

  std::vector<double> answer_us = {};
  std::vector<double> cpu_us = {};
  std::vector<double> token_us = {};
  std::vector<double> paced_token_us = {};
};

class ShmBench {
 public:
  ShmBench(const ShmBenchOptions& options, std::unique_ptr<ScratchDir> dir)
      : options_(options),
        spec_(BenchSpec(options.table_bytes, options.row_bytes, options.group_size)),
        dir_(std::move(dir)),
        budget_(std::make_shared<storage::ByteBudget>(~uint64_t{0})),
        flat_(budget_, spec_.table_bytes()),
        batches_(DrawBatches(options.batch_rows)),
        tokens_(DrawBatches(options.token_rows)),
        grpc_rows_(options.batch_rows * options.row_bytes) {}

  absl::Status SetUp();
  absl::StatusOr<nlohmann::json> Run();

 private:
  using Batches = std::vector<std::vector<RowId>>;

  Batches DrawBatches(size_t rows) const;
  void FillFlat();
  absl::Status Round(bool counted, const GatherVariant& limit);
  absl::Status Answers(bool counted, Transport* transport);
  absl::Status Tokens(bool counted, size_t count, absl::Duration pace, Transport* transport,
                      std::vector<double>* p50);
  double GatherMicros(const GatherVariant& variant);
  nlohmann::json Report() const;

  const ShmBenchOptions options_;
  const storage::TableSpec spec_;
  const std::unique_ptr<ScratchDir> dir_;
  const std::shared_ptr<storage::ByteBudget> budget_;
  HugeRegion flat_;
  const Batches batches_;
  const Batches tokens_;
  size_t next_batch_ = 0;
  std::unique_ptr<BenchDaemon> daemon_;
  std::optional<RowBuffer> buffer_;
  std::vector<std::byte> grpc_rows_;
  Transport shm_;
  Transport grpc_;
  std::vector<double> limit_us_;
};

ShmBench::Batches ShmBench::DrawBatches(size_t rows) const {
  std::mt19937_64 random(rows);
  Batches batches(kBatches, std::vector<RowId>(rows));
  for (std::vector<RowId>& batch : batches) {
    std::generate(batch.begin(), batch.end(),
                  [&] { return static_cast<RowId>(random() % spec_.rows); });
  }
  return batches;
}

void ShmBench::FillFlat() {
  for (RowId row = 0; row < spec_.rows; ++row) {
    FillRow(row, {flat_.data() + uint64_t{row} * spec_.row_bytes, spec_.row_bytes});
  }
}

absl::Status ShmBench::SetUp() {
  if (!flat_.GrowTo(spec_.table_bytes())) {
    return absl::ResourceExhaustedError("flat array");
  }
  FillFlat();
  auto daemon = BenchDaemon::StartWhole(spec_, *dir_);
  if (!daemon.ok()) {
    return daemon.status();
  }
  daemon_ = *std::move(daemon);
  constexpr uint64_t kSharedBytes = uint64_t{64} << 20;
  for (Transport* transport : {&shm_, &grpc_}) {
    auto client = daemon_->Connect(transport == &shm_ ? kSharedBytes : 0);
    if (!client.ok()) {
      return client.status();
    }
    transport->client = *std::move(client);
  }
  auto buffer = shm_.client.client->NewRowBuffer(grpc_rows_.size());
  if (!buffer.ok()) {
    return buffer.status();
  }
  if (!buffer->shareable()) {
    return absl::InternalError("the RowBuffer is not of shared memory");
  }
  buffer_ = *std::move(buffer);
  shm_.rows = buffer_->bytes().first(grpc_rows_.size());
  grpc_.rows = absl::MakeSpan(grpc_rows_);
  return daemon_->AwaitAllInRam(batches_);
}

absl::StatusOr<nlohmann::json> ShmBench::Run() {
  const std::vector<GatherVariant> variants = GatherVariants(spec_.row_bytes);
  const GatherVariant* fastest = &variants[0];
  double least = GatherMicros(*fastest);
  for (const GatherVariant& variant : variants) {
    for (int i = 0; i < options_.rounds; ++i) {
      if (const double micros = GatherMicros(variant); micros < least) {
        least = micros;
        fastest = &variant;
      }
    }
  }
  // The first round warms up, and is not counted.
  for (int round = 0; round <= options_.rounds; ++round) {
    if (absl::Status status = Round(/*counted=*/round > 0, *fastest); !status.ok()) {
      return status;
    }
  }
  return Report();
}

double ShmBench::GatherMicros(const GatherVariant& variant) {
  const absl::Time start = absl::Now();
  for (size_t i = 0; i < options_.answers; ++i) {
    variant.loop(flat_.data(), batches_[i % kBatches], spec_.row_bytes, variant.ahead,
                 grpc_rows_.data());
  }
  return absl::ToDoubleMicroseconds(absl::Now() - start) / static_cast<double>(options_.answers);
}

// What is compared stands side by side.
absl::Status ShmBench::Round(bool counted, const GatherVariant& limit) {
  absl::Status status = Answers(counted, &shm_);
  const double limit_us = GatherMicros(limit);
  if (counted) {
    limit_us_.push_back(limit_us);
  }
  if (status.ok()) {
    status = Answers(counted, &grpc_);
  }
  for (Transport* transport : {&shm_, &grpc_}) {
    if (status.ok()) {
      status =
          Tokens(counted, options_.tokens, absl::ZeroDuration(), transport, &transport->token_us);
    }
  }
  for (Transport* transport : {&shm_, &grpc_}) {
    if (status.ok()) {
      status = Tokens(counted, options_.paced_tokens, kPace, transport, &transport->paced_token_us);
    }
  }
  return status;
}

absl::Status ShmBench::Answers(bool counted, Transport* transport) {
  const std::vector<RowId>* batch = nullptr;
  const auto cpu_seconds = [this] {
    return absl::ToDoubleSeconds(CpuTime()) + daemon_->CpuSeconds();
  };
  const double cpu = cpu_seconds();
  const absl::Time start = absl::Now();
  for (size_t i = 0; i < options_.answers; ++i) {
    batch = &batches_[next_batch_++ % kBatches];
    if (auto status = transport->client.table->Fetch(*batch, transport->rows); !status.ok()) {
      return status;
    }
  }
  if (counted) {
    const auto answers = static_cast<double>(options_.answers);
    transport->answer_us.push_back(absl::ToDoubleMicroseconds(absl::Now() - start) / answers);
    transport->cpu_us.push_back((cpu_seconds() - cpu) * 1e6 / answers);
  }
  return CheckRows(*batch, transport->rows, spec_.row_bytes,
                   transport == &shm_ ? "shared memory" : "gRPC");
}

absl::Status ShmBench::Tokens(bool counted, size_t count, absl::Duration pace, Transport* transport,
                              std::vector<double>* p50) {
  const auto rows = transport->rows.first(options_.token_rows * spec_.row_bytes);
  std::vector<double> micros;
  for (size_t i = 0; i < count; ++i) {
    const std::vector<RowId>& token = tokens_[next_batch_++ % kBatches];
    absl::SleepFor(pace);
    const absl::Time start = absl::Now();
    absl::Status status = transport->client.table->Fetch(token, rows);
    micros.push_back(absl::ToDoubleMicroseconds(absl::Now() - start));
    if (status.ok()) {
      status = CheckRows(token, rows, spec_.row_bytes, "a token's fetch");
    }
    if (!status.ok()) {
      return status;
    }
  }
  if (counted) {
    p50->push_back(Median(std::move(micros)));
  }
  return absl::OkStatus();
}

nlohmann::json ShmBench::Report() const {
  const auto bytes_per_s = [&](const std::vector<double>& answer_us) {
    return static_cast<double>(grpc_rows_.size()) * 1e6 / Median(answer_us);
  };
  return {{"table_bytes", spec_.table_bytes()},
          {"row_bytes", spec_.row_bytes},
          {"group_size", spec_.group_size},
          {"batch_rows", options_.batch_rows},
          {"answers", options_.answers},
          {"token_rows", options_.token_rows},
          {"rounds", options_.rounds},
          {"bytes_per_s", bytes_per_s(shm_.answer_us)},
          {"grpc_bytes_per_s", bytes_per_s(grpc_.answer_us)},
          {"limit_bytes_per_s", bytes_per_s(limit_us_)},
          {"ratio_to_grpc", MedianRatio(grpc_.answer_us, shm_.answer_us)},
          {"ratio_to_limit", MedianRatio(limit_us_, shm_.answer_us)},
          {"cpu_us", Median(shm_.cpu_us)},
          {"grpc_cpu_us", Median(grpc_.cpu_us)},
          {"cpu_ratio_to_grpc", MedianRatio(shm_.cpu_us, grpc_.cpu_us)},
          {"token_us", Median(shm_.token_us)},
          {"grpc_token_us", Median(grpc_.token_us)},
          {"p50_ratio_to_grpc", MedianRatio(shm_.token_us, grpc_.token_us)},
          {"paced_token_us", Median(shm_.paced_token_us)},
          {"grpc_paced_token_us", Median(grpc_.paced_token_us)},
          {"paced_p50_ratio_to_grpc", MedianRatio(shm_.paced_token_us, grpc_.paced_token_us)}};
}

}  // namespace

absl::StatusOr<nlohmann::json> RunShmBench(const ShmBenchOptions& options) {
  if (options.rounds < kMinRounds || options.answers == 0 || options.tokens == 0 ||
      options.paced_tokens == 0 || options.batch_rows == 0 || options.group_size == 0 ||
      options.batch_rows % options.group_size != 0 || options.token_rows == 0 ||
      options.token_rows % options.group_size != 0 || options.token_rows > options.batch_rows ||
      options.table_bytes < uint64_t{options.group_size} * options.row_bytes) {
    return absl::InvalidArgumentError(
        "shm: needs 5 rounds or more, batches of whole groups, none smaller than a token, and a "
        "table of one group or more");
  }
  TuneMalloc();
  auto dir = ScratchDir::Make(options.dir);
  if (!dir.ok()) {
    return dir.status();
  }
  ShmBench bench(options, *std::move(dir));
  if (absl::Status status = bench.SetUp(); !status.ok()) {
    return status;
  }
  return bench.Run();
}

}  // namespace engram::bench
