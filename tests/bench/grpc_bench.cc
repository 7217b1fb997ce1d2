#include "tests/bench/grpc_bench.h"

#include <algorithm>
#include <cstring>
#include <functional>
#include <memory>
#include <numeric>
#include <random>
#include <utility>
#include <vector>

#include <grpcpp/support/byte_buffer.h>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "tests/bench/bench_daemon.h"
#include "tests/bench/bench_table.h"
#include "tests/bench/child_process.h"
#include "tests/bench/echo_client.h"
#include "tests/bench/grpc_servers.h"
#include "tests/bench/measure.h"
#include "tests/bench/redis_client.h"

namespace engram::bench {
namespace {

using storage::RowId;

constexpr size_t kBatches = 64;

// A server, what asks it for one answer, and what was measured.
struct Service {
  std::string name;
  std::function<double()> cpu_seconds = nullptr;  // of the server so far
  // Gets the rows of a batch into the output.
  std::function<absl::Status(absl::Span<const RowId> batch, absl::Span<std::byte> rows)> get =
      nullptr;
  bool in_order = false;  // whether it answers with consecutive rows instead

  std::vector<double> answer_us = {};
  std::vector<double> client_cpu_us = {};
  std::vector<double> server_cpu_us = {};
};

class GrpcBench {
 public:
  GrpcBench(const GrpcBenchOptions& options, std::unique_ptr<ScratchDir> dir)
      : options_(options),
        spec_(BenchSpec(options.table_bytes, options.row_bytes, options.group_size)),
        dir_(std::move(dir)),
        rows_(options.batch_rows * options.row_bytes) {
    std::mt19937_64 random(1);
    for (size_t i = 0; i < kBatches; ++i) {
      std::vector<RowId>& batch = batches_.emplace_back(options_.batch_rows);
      std::generate(batch.begin(), batch.end(),
                    [&] { return static_cast<RowId>(random() % spec_.rows); });
    }
  }

  absl::StatusOr<nlohmann::json> Run() {
    absl::Status status = StartDaemon();
    if (status.ok()) {
      status = StartEcho();
    }
    if (const std::string redis = FindProgram("redis-server"); status.ok() && !redis.empty()) {
      status = StartRedis(redis);
    }
    // The first round warms up, and is not counted.
    for (int round = 0; round <= options_.rounds && status.ok(); ++round) {
      for (Service& service : services_) {
        status.Update(Round(/*counted=*/round > 0, &service));
      }
    }
    if (!status.ok()) {
      return status;
    }
    return Report();
  }

 private:
  absl::Status StartDaemon() {
    auto daemon = BenchDaemon::StartWhole(spec_, *dir_);
    if (!daemon.ok()) {
      return daemon.status();
    }
    daemon_ = *std::move(daemon);
    auto client = daemon_->Connect(/*shared_memory_bytes=*/0);
    if (!client.ok()) {
      return client.status();
    }
    client_ = *std::move(client);
    services_.push_back(
        {.name = "engramd",
         .cpu_seconds = [this] { return daemon_->CpuSeconds(); },
         .get = [this](absl::Span<const RowId> batch,
                       absl::Span<std::byte> rows) { return client_.table->Fetch(batch, rows); }});
    return daemon_->AwaitAllInRam(batches_);
  }

  absl::Status StartEcho() {
    const std::string socket = dir_->Path("echo.sock");
    const uint64_t answers = std::max<uint64_t>(1, spec_.table_bytes() / rows_.size());
    auto process = ChildProcess::Start({kThisProgram, "serve-echo", "--socket", socket,
                                        "--block-bytes", absl::StrCat(answers * rows_.size()),
                                        "--answer-bytes", absl::StrCat(rows_.size()), "--row-bytes",
                                        absl::StrCat(spec_.row_bytes)});
    if (!process.ok()) {
      return process.status();
    }
    auto echo = EchoClient::Connect(socket, kStartTimeout);
    if (!echo.ok()) {
      return echo.status();
    }
    echo_ = *std::move(echo);
    echo_server_ = *std::move(process);
    services_.push_back({.name = "echo",
                         .cpu_seconds = [this] { return echo_server_->CpuSeconds(); },
                         .get =
                             [this](absl::Span<const RowId> batch, absl::Span<std::byte> rows) {
                               const grpc::Slice ids(batch.data(), batch.size() * sizeof(RowId));
                               return echo_->Exchange(grpc::ByteBuffer(&ids, 1), rows);
                             },
                         .in_order = true});
    return absl::OkStatus();
  }

  absl::Status StartRedis(const std::string& program) {
    const std::string socket = dir_->Path("redis.sock");
    auto process = ChildProcess::Start({program, "--port", "0", "--unixsocket", socket, "--save",
                                        "", "--appendonly", "no", "--dir", dir_->Path("")});
    if (!process.ok()) {
      return process.status();
    }
    auto redis = RedisClient::Connect(socket, kStartTimeout);
    if (!redis.ok()) {
      return redis.status();
    }
    redis_ = *std::move(redis);
    redis_server_ = *std::move(process);
    services_.push_back({.name = "redis",
                         .cpu_seconds = [this] { return redis_server_->CpuSeconds(); },
                         .get =
                             [this](absl::Span<const RowId> batch, absl::Span<std::byte> rows) {
                               return redis_->GetRows(batch, spec_.row_bytes, rows.data());
                             }});
    return redis_->LoadTable(spec_);
  }

  // Gets a round's answers, and checks the last of them.
  absl::Status Round(bool counted, Service* service) {
    const std::vector<RowId>* batch = nullptr;
    const absl::Duration client_cpu = CpuTime();
    const double server_cpu = service->cpu_seconds();
    const absl::Time start = absl::Now();
    for (size_t i = 0; i < options_.answers; ++i) {
      batch = &batches_[next_batch_++ % kBatches];
      if (auto status = service->get(*batch, absl::MakeSpan(rows_)); !status.ok()) {
        return status;
      }
    }
    const absl::Duration spent = absl::Now() - start;
    if (counted) {
      const double micros = 1e6 / static_cast<double>(options_.answers);
      service->answer_us.push_back(absl::ToDoubleSeconds(spent) * micros);
      service->client_cpu_us.push_back(absl::ToDoubleSeconds(CpuTime() - client_cpu) * micros);
      service->server_cpu_us.push_back((service->cpu_seconds() - server_cpu) * micros);
    }
    return CheckAnswer(*service, *batch);
  }

  absl::Status CheckAnswer(const Service& service, std::vector<RowId> ids) const {
    if (service.in_order) {
      RowId first = 0;  // a row begins with its id
      std::memcpy(&first, rows_.data(), sizeof(first));
      std::iota(ids.begin(), ids.end(), first);
    }
    return CheckRows(ids, rows_, spec_.row_bytes, service.name);
  }

  nlohmann::json Report() const;

  const GrpcBenchOptions options_;
  const storage::TableSpec spec_;
  const std::unique_ptr<ScratchDir> dir_;
  std::vector<std::vector<RowId>> batches_;
  size_t next_batch_ = 0;
  std::vector<std::byte> rows_;
  std::vector<Service> services_;
  std::unique_ptr<BenchDaemon> daemon_;
  BenchClient client_;
  std::unique_ptr<ChildProcess> echo_server_;
  std::unique_ptr<EchoClient> echo_;
  std::unique_ptr<ChildProcess> redis_server_;
  std::unique_ptr<RedisClient> redis_;
};

nlohmann::json GrpcBench::Report() const {
  const Service& ours = services_[0];
  const Service& echo = services_[1];
  const auto bytes_per_s = [&](const Service& service) {
    return static_cast<double>(rows_.size()) * 1e6 / Median(service.answer_us);
  };
  nlohmann::json report = {{"table_bytes", spec_.table_bytes()},
                           {"row_bytes", spec_.row_bytes},
                           {"group_size", spec_.group_size},
                           {"batch_rows", options_.batch_rows},
                           {"answers", options_.answers},
                           {"rounds", options_.rounds},
                           {"bytes_per_s", bytes_per_s(ours)},
                           {"echo_bytes_per_s", bytes_per_s(echo)},
                           {"redis_bytes_per_s", nullptr},
                           {"ratio_to_echo", MedianRatio(echo.answer_us, ours.answer_us)},
                           {"ratio_to_redis", nullptr},
                           {"answer_us", Median(ours.answer_us)},
                           {"echo_answer_us", Median(echo.answer_us)},
                           {"client_cpu_us", Median(ours.client_cpu_us)},
                           {"server_cpu_us", Median(ours.server_cpu_us)},
                           {"echo_client_cpu_us", Median(echo.client_cpu_us)},
                           {"echo_server_cpu_us", Median(echo.server_cpu_us)}};
  if (redis_ != nullptr) {
    const Service& redis = services_[2];
    report["redis_bytes_per_s"] = bytes_per_s(redis);
    report["ratio_to_redis"] = MedianRatio(redis.answer_us, ours.answer_us);
  }
  return report;
}

}  // namespace

absl::StatusOr<nlohmann::json> RunGrpcBench(const GrpcBenchOptions& options) {
  if (options.rounds < kMinRounds || options.answers == 0 || options.batch_rows == 0 ||
      options.group_size == 0 || options.batch_rows % options.group_size != 0 ||
      options.table_bytes < uint64_t{options.group_size} * options.row_bytes) {
    return absl::InvalidArgumentError(
        "grpc: needs 5 rounds or more, batches of whole groups, and a table of one group or more");
  }
  TuneMalloc();
  auto dir = ScratchDir::Make(options.dir);
  if (!dir.ok()) {
    return dir.status();
  }
  return GrpcBench(options, *std::move(dir)).Run();
}

}  // namespace engram::bench
