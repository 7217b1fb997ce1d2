#include "tests/bench/worker_bench.h"

#include <algorithm>
#include <cstddef>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/checkpoint/checkpoint_writer.h"
#include "client/engram_client.h"
#include "client/hash/ngram_hasher.h"
#include "client/hash/trace.h"
#include "tests/bench/bench_daemon.h"
#include "tests/bench/cold_layout_tables.h"
#include "tests/bench/measure.h"

namespace engram::bench {
namespace {

constexpr char kModel[] = "v41";
constexpr uint64_t kSharedBytes = uint64_t{256} << 20;
constexpr uint64_t kBesideRows = uint64_t{64} << 20;
constexpr double kTolerableLoss = 0.01;

// One way to get rows, or none at all, and what came of it.
struct Way {
  std::unique_ptr<Client> client = nullptr;
  std::vector<std::unique_ptr<Table>> tables = {};  // [layers]
  std::vector<RowBuffer> buffers = {};              // [layers]
  std::vector<PacedWorker::Source> sources = {};    // [layers]

  std::vector<double> tokens_per_s = {};  // [rounds]
  std::vector<double> step_us = {};       // [rounds]
  std::vector<double> stall_us = {};
  uint64_t late = 0;

  void Forget() {
    tokens_per_s.clear();
    step_us.clear();
    stall_us.clear();
    late = 0;
  }
};

class WorkerBench {
 public:
  WorkerBench(const WorkerBenchOptions& options, std::unique_ptr<ScratchDir> dir)
      : options_(options), dir_(std::move(dir)) {}

  absl::Status SetUp();
  absl::StatusOr<nlohmann::json> Run();

 private:
  absl::Status LoadText(const std::string& config);
  absl::Status StartDaemon(const std::string& checkpoint);
  absl::Status Connect(uint64_t shared_memory_bytes, size_t most_rows, Way* way);
  absl::Status MeasureRounds(uint32_t sequences, absl::Span<Way* const> ways);
  double LossOf(const Way& way) const { return 1 - MedianRatio(baseline_.step_us, way.step_us); }
  absl::Status AddDevice(nlohmann::json* json);
  absl::Status AddMax(nlohmann::json* json);
  void AddWay(const std::string& prefix, Way* way, nlohmann::json* json) const;

  const WorkerBenchOptions options_;
  const std::unique_ptr<ScratchDir> dir_;
  TokenTrace trace_;
  std::optional<NgramHasher> hasher_;
  std::optional<PacedWorker> worker_;
  std::unique_ptr<BenchDaemon> daemon_;
  Way baseline_;
  Way shm_;
  Way grpc_;
};

absl::Status WorkerBench::LoadText(const std::string& config) {
  GroupTraceOptions text = options_.text;
  text.config = config;
  text = WithDefaults(std::move(text));
  auto trace = ReadTrace(text.trace, text.docs);
  if (!trace.ok()) return trace.status();
  trace_ = *std::move(trace);
  auto hasher = LoadHasher(text);
  if (!hasher.ok()) return hasher.status();
  hasher_ = *std::move(hasher);
  return absl::OkStatus();
}

absl::Status WorkerBench::StartDaemon(const std::string& checkpoint) {
  const std::string data_dir = dir_->Path("store");
  absl::Status status = BenchDaemon::ImportCheckpoint(checkpoint, kModel, data_dir);
  if (!status.ok()) return status;
  const bool whole = options_.ram_share >= 1;
  const auto rows =
      static_cast<uint64_t>(options_.ram_share * static_cast<double>(options_.table_bytes));
  auto daemon = BenchDaemon::Start(data_dir, whole ? rows + kBesideRows : rows, whole);
  if (!daemon.ok()) return daemon.status();
  daemon_ = *std::move(daemon);
  return absl::OkStatus();
}

absl::Status WorkerBench::Connect(uint64_t shared_memory_bytes, size_t most_rows, Way* way) {
  auto client = daemon_->ConnectClient(shared_memory_bytes);
  if (!client.ok()) return client.status();
  way->client = *std::move(client);
  for (const LayerHash& layer : hasher_->layers()) {
    auto table = way->client->OpenTable(absl::StrCat(kModel, "/layer", layer.layer_id));
    if (!table.ok()) return table.status();
    auto buffer = way->client->NewRowBuffer(most_rows * (*table)->spec().row_bytes);
    if (!buffer.ok()) return buffer.status();
    if (buffer->shareable() != (shared_memory_bytes > 0)) {
      return absl::InternalError("the RowBuffer is not of the memory that was asked for");
    }
    way->tables.push_back(*std::move(table));
    way->buffers.push_back(*std::move(buffer));
    way->sources.push_back(
        {.table = way->tables.back().get(), .rows = way->buffers.back().bytes()});
  }
  return absl::OkStatus();
}

absl::Status WorkerBench::SetUp() {
  const std::string checkpoint = dir_->Path("checkpoint");
  CheckpointOptions made = {.directory = checkpoint};
  constexpr uint64_t kBytesPerVocabUnit = 2 * 24 * 264;  // layers, heads of all orders, row bytes
  made.vocab_size = static_cast<uint32_t>(options_.table_bytes / kBytesPerVocabUnit);
  if (const auto summary = MakeCheckpoint(made); !summary.ok()) return summary.status();
  absl::Status status = LoadText(checkpoint + "/config.json");
  if (status.ok()) status = StartDaemon(checkpoint);
  if (!status.ok()) return status;
  worker_.emplace(*hasher_, trace_, options_.plan);
  status = Connect(kSharedBytes, worker_->RowsOfAStep(), &shm_);
  if (status.ok()) status = Connect(0, worker_->RowsOfAStep(), &grpc_);
  if (status.ok()) status = worker_->WarmUp(shm_.sources, options_.warm_up_tokens);
  return status;
}

absl::Status WorkerBench::MeasureRounds(uint32_t sequences, absl::Span<Way* const> ways) {
  worker_->SetSequences(sequences);
  for (Way* way : ways) way->Forget();
  for (int round = 0; round < options_.rounds; ++round) {
    for (Way* way : ways) {
      const auto run = worker_->Run(way->sources, options_.steps);
      if (!run.ok()) return run.status();
      const double seconds = absl::ToDoubleSeconds(run->time);
      way->tokens_per_s.push_back(static_cast<double>(run->tokens) / seconds);
      way->step_us.push_back(seconds * 1e6 / options_.steps);
      way->stall_us.insert(way->stall_us.end(), run->stall_us.begin(), run->stall_us.end());
      way->late += run->late;
    }
  }
  return absl::OkStatus();
}

void WorkerBench::AddWay(const std::string& prefix, Way* way, nlohmann::json* json) const {
  (*json)[prefix + "tokens_per_s"] = Median(way->tokens_per_s);
  (*json)[prefix + "loss_fraction"] = LossOf(*way);
  (*json)[prefix + "ratio_to_baseline"] = 1 - LossOf(*way);
  std::vector<double>& stalls = way->stall_us;
  const auto p99 = stalls.begin() + static_cast<ptrdiff_t>(stalls.size() * 99 / 100);
  std::nth_element(stalls.begin(), p99, stalls.end());
  (*json)[prefix + "stall_p99_us"] = *p99;
  (*json)[prefix + "late_fraction"] =
      static_cast<double>(way->late) / static_cast<double>(stalls.size());
}

absl::Status WorkerBench::AddDevice(nlohmann::json* json) {
  constexpr int kDepth = 128;
  constexpr size_t kReads = 20'000;
  Raw raw(kDepth);
  absl::Status status = raw.Open(dir_->Path("store/db"));
  const absl::Time start = absl::Now();
  if (status.ok()) status = raw.Read(kReads);
  if (!status.ok()) return status;
  const double reads_per_s = kReads / absl::ToDoubleSeconds(absl::Now() - start);
  (*json)["device_reads_per_s"] = reads_per_s;
  const double per_token = (*json)["nvme_reads_per_token"];
  if (per_token > 0) (*json)["device_bound_tokens_per_s"] = reads_per_s / per_token;
  return absl::OkStatus();
}

// Half as many sequences more each time.
absl::Status WorkerBench::AddMax(nlohmann::json* json) {
  double most_tokens = 0;
  uint32_t most = 0;
  const WorkerPlan& plan = options_.plan;
  for (uint32_t n = plan.sequences; n <= plan.step_tokens; n += (n + 1) / 2) {
    absl::Status status = MeasureRounds(n, {&baseline_, &shm_});
    if (!status.ok()) return status;
    if (LossOf(shm_) > kTolerableLoss) break;
    most_tokens = Median(shm_.tokens_per_s);
    most = n;
  }
  (*json)["max_tokens_per_s_at_1pct_loss"] = most_tokens;
  (*json)["max_sequences"] = most;
  return absl::OkStatus();
}

absl::StatusOr<nlohmann::json> WorkerBench::Run() {
  const absl::StatusOr<uint64_t> before = daemon_->NvmeReads();
  if (!before.ok()) return before.status();
  absl::Status status = MeasureRounds(options_.plan.sequences, {&baseline_, &shm_, &grpc_});
  if (!status.ok()) return status;
  const absl::StatusOr<uint64_t> after = daemon_->NvmeReads();
  if (!after.ok()) return after.status();
  nlohmann::json json = {{"table_bytes", options_.table_bytes},
                         {"ram_share", options_.ram_share},
                         {"sequences", options_.plan.sequences},
                         {"prompt_tokens", options_.plan.prompt_tokens},
                         {"output_tokens", options_.plan.output_tokens},
                         {"step_tokens", options_.plan.step_tokens},
                         {"step_ms", absl::ToDoubleMilliseconds(options_.plan.step)},
                         {"layers", options_.plan.layers},
                         {"steps", options_.steps},
                         {"rounds", options_.rounds},
                         {"baseline_tokens_per_s", Median(baseline_.tokens_per_s)}};
  AddWay("", &shm_, &json);
  AddWay("grpc_", &grpc_, &json);
  double fetched = 0;  // tokens
  for (const Way* way : {&shm_, &grpc_}) {
    for (int i = 0; i < options_.rounds; ++i) {
      fetched += way->tokens_per_s[i] * way->step_us[i] * options_.steps / 1e6;
    }
  }
  json["nvme_reads_per_token"] = static_cast<double>(*after - *before) / fetched;
  status = AddDevice(&json);
  if (status.ok() && options_.find_max) status = AddMax(&json);
  if (!status.ok()) return status;
  return json;
}

absl::Status Check(const WorkerBenchOptions& options) {
  const WorkerPlan& plan = options.plan;
  if (options.rounds < kMinRounds || options.steps < 1 || plan.sequences < 1 ||
      plan.step_tokens < plan.sequences || plan.output_tokens < 1 || plan.layers < 15 ||
      plan.step <= absl::ZeroDuration()) {
    return absl::InvalidArgumentError(
        "worker: needs 5 rounds or more, steps of some time and 15 layers or more, and at least as "
        "many tokens of a step as sequences, of which there is at least one with an output");
  }
  if (!(options.ram_share > 0 && options.ram_share <= 1)) {
    return absl::InvalidArgumentError(absl::StrCat("worker: a RAM share of ", options.ram_share,
                                                   " is not above 0 and at most 1"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<nlohmann::json> RunWorkerBench(const WorkerBenchOptions& options) {
  if (absl::Status status = Check(options); !status.ok()) return status;
  auto dir = ScratchDir::Make(options.dir);
  if (!dir.ok()) return dir.status();
  WorkerBench bench(options, *std::move(dir));
  if (absl::Status status = bench.SetUp(); !status.ok()) return status;
  return bench.Run();
}

}  // namespace engram::bench
