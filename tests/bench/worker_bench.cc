#include "tests/bench/worker_bench.h"

#include <algorithm>
#include <cstddef>
#include <memory>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "client/checkpoint/checkpoint_writer.h"
#include "client/engram_client.h"
#include "client/hash/ngram_hasher.h"
#include "client/hash/trace.h"
#include "tests/bench/bench_daemon.h"
#include "tests/bench/device_bursts.h"
#include "tests/bench/measure.h"
#include "tests/bench/prefill_load.h"
#include "tests/bench/worker_result.h"

namespace engram::bench {
namespace {

constexpr char kModel[] = "v41";
constexpr uint64_t kRowBytes = 264;
constexpr uint64_t kSharedBytes = uint64_t{256} << 20;
constexpr uint64_t kBesideRows = uint64_t{64} << 20;
constexpr double kTolerableLoss = 0.01;
constexpr int kStepsOfALook = 10;  // whether the prompt is read

// Of the bare device: for one token all in the warm tier, one n-gram of it, or all of it in the
// cold one; and for steps of more.
constexpr size_t kBursts[] = {1, 3, 8, 24, 96, 384};

// One way to get rows, or none at all, and what came of it.
struct Way {
  std::unique_ptr<Client> client = nullptr;
  std::vector<std::unique_ptr<Table>> tables = {};  // [layers]
  std::vector<RowBuffer> buffers = {};              // [layers]
  std::vector<PacedWorker::Source> sources = {};    // [layers]
  WorkerResult result = {};
};

std::string ToText(const TokenRange& range) {
  return range.least == range.most ? absl::StrCat(range.least)
                                   : absl::StrCat(range.least, "..", range.most);
}

class WorkerBench {
 public:
  WorkerBench(const WorkerBenchOptions& options, std::unique_ptr<ScratchDir> dir)
      : options_(options), dir_(std::move(dir)), text_(options.text) {}

  absl::Status SetUp();
  absl::StatusOr<nlohmann::json> Run();

 private:
  absl::Status LoadText(const std::string& config);
  absl::StatusOr<double> WholeBytes() const;
  absl::StatusOr<std::vector<std::string>> DaemonFlags() const;
  absl::Status StartDaemon(const std::string& checkpoint);
  absl::Status Connect(uint64_t shared_memory_bytes, size_t most_rows, Way* way);
  // Returns the NVMe reads that they took.
  absl::StatusOr<uint64_t> MeasureRounds(uint32_t sequences, absl::Span<Way* const> ways);
  absl::Status WarmUp();
  double LossOf(const Way& way) const { return way.result.LossAgainst(baseline_.result); }
  std::vector<WorkerLayer> Layers() const;
  absl::Status AddDevice(nlohmann::json* json);
  // By shared memory.
  struct Load {
    double loss;
    double reads_per_token;
    double of_device;  // its reads, of what the bare device makes right after in that time
  };
  absl::StatusOr<Load> RunWith(uint32_t sequences);
  absl::Status AddMax(nlohmann::json* json);
  absl::Status AddPrefill(nlohmann::json* json);
  void AddWay(const std::string& prefix, const Way& way, nlohmann::json* json) const;

  const WorkerBenchOptions options_;
  const std::unique_ptr<ScratchDir> dir_;
  GroupTraceOptions text_;
  TokenTrace trace_;
  std::optional<NgramHasher> hasher_;
  std::optional<PacedWorker> worker_;
  std::unique_ptr<BenchDaemon> daemon_;
  Way baseline_;
  Way shm_;
  Way grpc_;
};

absl::Status WorkerBench::LoadText(const std::string& config) {
  text_.config = config;
  text_ = WithDefaults(std::move(text_));
  auto trace = ReadTrace(text_.trace, text_.docs);
  if (!trace.ok()) return trace.status();
  trace_ = *std::move(trace);
  auto hasher = LoadHasher(text_);
  if (!hasher.ok()) return hasher.status();
  hasher_ = *std::move(hasher);
  return absl::OkStatus();
}

// What the shares are of.
absl::StatusOr<double> WorkerBench::WholeBytes() const {
  if (!options_.of_ngrams) return static_cast<double>(options_.table_bytes);
  const auto groups = ReadGroupTrace(text_);  // of one layer; the others have the same n-grams
  if (!groups.ok()) return groups.status();
  return static_cast<double>(groups->distinct * hasher_->layers().size() * groups->group_size) *
         kRowBytes;
}

absl::StatusOr<std::vector<std::string>> WorkerBench::DaemonFlags() const {
  const auto whole_bytes = WholeBytes();
  if (!whole_bytes.ok()) return whole_bytes.status();
  const auto bytes = [&](double share) { return static_cast<uint64_t>(share * *whole_bytes); };
  const bool whole = !options_.of_ngrams && options_.ram_share >= 1;
  std::vector<std::string> flags = {
      absl::StrCat("--ram-budget=", bytes(options_.ram_share) + (whole ? kBesideRows : 0)),
      absl::StrCat("--warm-budget=", bytes(options_.warm_share))};
  if (whole) flags.push_back("--ram-whole=*");
  for (const WorkerLayer& layer : Layers()) {
    if (!options_.windows) break;
    flags.push_back(absl::StrCat("--window=", kModel, "/layer", layer.name, "=",
                                 absl::ToInt64Nanoseconds(layer.window), "ns"));
  }
  flags.insert(flags.end(), options_.daemon_flags.begin(), options_.daemon_flags.end());
  return flags;
}

absl::Status WorkerBench::StartDaemon(const std::string& checkpoint) {
  const std::string data_dir = dir_->Path("store");
  absl::Status status = BenchDaemon::ImportCheckpoint(checkpoint, kModel, data_dir);
  if (!status.ok()) return status;
  const auto flags = DaemonFlags();
  if (!flags.ok()) return flags.status();
  auto daemon = BenchDaemon::Start(data_dir, *flags);
  if (!daemon.ok()) return daemon.status();
  daemon_ = *std::move(daemon);
  return absl::OkStatus();
}

std::vector<WorkerLayer> WorkerBench::Layers() const {
  std::vector<WorkerLayer> layers;
  for (const LayerHash& layer : hasher_->layers()) {
    layers.push_back({.name = absl::StrCat(layer.layer_id),
                      .window = options_.plan.WindowOf(layer.layer_id),
                      .group_rows = static_cast<uint32_t>(hasher_->heads())});
  }
  return layers;
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
  constexpr uint64_t kBytesPerVocabUnit = 2 * 24 * kRowBytes;  // layers, heads of all orders
  made.vocab_size = static_cast<uint32_t>(options_.table_bytes / kBytesPerVocabUnit);
  if (const auto summary = MakeCheckpoint(made); !summary.ok()) return summary.status();
  absl::Status status = LoadText(checkpoint + "/config.json");
  if (status.ok()) status = StartDaemon(checkpoint);
  if (!status.ok()) return status;
  worker_.emplace(*hasher_, trace_, options_.plan);
  status = Connect(kSharedBytes, worker_->RowsOfAStep(), &shm_);
  if (status.ok()) status = Connect(0, worker_->RowsOfAStep(), &grpc_);
  if (status.ok()) status = WarmUp();
  return status;
}

// RAM that moves wants traffic: see TieredStore::Rebalance.
absl::Status WorkerBench::WarmUp() {
  absl::Status status = worker_->WarmUp(shm_.sources, options_.warm_up_tokens);
  if (!status.ok() || !options_.rebalance) return status;
  absl::Status rebalanced;
  absl::Notification done;
  std::thread thread([&] {
    rebalanced = daemon_->Rebalance();
    done.Notify();
  });
  while (status.ok() && !done.HasBeenNotified()) {
    status = worker_->WarmUp(shm_.sources, options_.plan.step_tokens);
  }
  thread.join();
  status.Update(rebalanced);
  return status;
}

absl::StatusOr<uint64_t> WorkerBench::MeasureRounds(uint32_t sequences,
                                                    absl::Span<Way* const> ways) {
  const auto before = daemon_->NvmeReads();
  if (!before.ok()) return before.status();
  worker_->SetSequences(sequences);
  for (Way* way : ways) way->result = {};
  for (int round = 0; round < options_.rounds; ++round) {
    for (Way* way : ways) {
      const auto run = worker_->Run(way->sources, options_.steps);
      if (!run.ok()) return run.status();
      way->result.Add(*run, options_.steps);
    }
  }
  const auto after = daemon_->NvmeReads();
  if (!after.ok()) return after.status();
  return *after - *before;
}

void WorkerBench::AddWay(const std::string& prefix, const Way& way, nlohmann::json* json) const {
  (*json)[prefix + "tokens_per_s"] = Median(way.result.tokens_per_s());
  (*json)[prefix + "loss_fraction"] = LossOf(way);
  (*json)[prefix + "ratio_to_baseline"] = 1 - LossOf(way);
  (*json)[prefix + "stall_p99_us"] = way.result.StallP99Us();
  (*json)[prefix + "late_fraction"] = way.result.LateFraction();
  (*json)[prefix + "stall_us_by_layer"] = way.result.StallByLayer(Layers());
}

absl::Status WorkerBench::AddDevice(nlohmann::json* json) {
  const auto reads_per_s = MeasureReadsPerS(dir_->Path("store/db"));
  if (!reads_per_s.ok()) return reads_per_s.status();
  (*json)["device_reads_per_s"] = *reads_per_s;
  const double per_token = (*json)["nvme_reads_per_token"];
  if (per_token > 0) (*json)["device_bound_tokens_per_s"] = *reads_per_s / per_token;
  const auto bursts = MeasureBursts(dir_->Path("store/db"), kBursts);
  if (!bursts.ok()) return bursts.status();
  for (const auto& [size, us] : bursts->Medians()) {
    (*json)["device_burst_us"][absl::StrCat(size)] = us;
  }
  (*json)["device_loss_fraction"] = shm_.result.DeviceLoss(Layers(), *bursts, options_.plan.step);
  return absl::OkStatus();
}

absl::StatusOr<WorkerBench::Load> WorkerBench::RunWith(uint32_t sequences) {
  const auto reads = MeasureRounds(sequences, {&baseline_, &shm_});
  if (!reads.ok()) return reads.status();
  const auto device = MeasureReadsPerS(dir_->Path("store/db"));
  if (!device.ok()) return device.status();
  const double per_token = static_cast<double>(*reads) / static_cast<double>(shm_.result.tokens());
  return Load{.loss = LossOf(shm_),
              .reads_per_token = per_token,
              .of_device = Median(shm_.result.tokens_per_s()) * per_token / *device};
}

// Half as many sequences more each time; then what is between the last two, by halves.
absl::Status WorkerBench::AddMax(nlohmann::json* json) {
  double most_tokens = 0;
  double of_device = 0;
  uint32_t most = 0;
  uint32_t too_many = options_.plan.step_tokens + 1;
  for (uint32_t n = options_.plan.sequences; n < too_many && n > most;) {
    const auto load = RunWith(n);
    if (!load.ok()) return load.status();
    (*json)["loss_by_load"].push_back(
        {{"sequences", n},
         {"baseline_tokens_per_s", Median(baseline_.result.tokens_per_s())},
         {"loss_fraction", load->loss},
         {"nvme_reads_per_token", load->reads_per_token},
         {"of_device", load->of_device}});
    if (load->loss > kTolerableLoss) {
      too_many = n;
    } else {
      most_tokens = Median(shm_.result.tokens_per_s());
      most = n;
      of_device = load->of_device;
    }
    const bool is_bounded = too_many <= options_.plan.step_tokens;
    if (is_bounded && too_many - most <= most / 10 + 1) break;
    n = is_bounded ? (most + too_many) / 2 : most + (most + 1) / 2;
  }
  (*json)["max_tokens_per_s_at_1pct_loss"] = most_tokens;
  (*json)["max_sequences"] = most;
  (*json)["max_of_device_bound"] = of_device;
  return absl::OkStatus();
}

absl::Status WorkerBench::AddPrefill(nlohmann::json* json) {
  std::vector<std::string> tables;
  for (const WorkerLayer& layer : Layers()) {
    tables.push_back(absl::StrCat(kModel, "/layer", layer.name));
  }
  const absl::Span<const uint32_t> all = trace_.tokens;
  const auto prompt = all.last(std::min<size_t>(options_.prefill_tokens, all.size()));
  auto load = PrefillLoad::Connect(*daemon_, *hasher_, tables, prompt);
  if (!load.ok()) return load.status();
  const auto before = daemon_->NvmeReads();
  if (!before.ok()) return before.status();
  shm_.result = {};
  worker_->SetSequences(options_.plan.sequences);
  (*load)->Start();
  while (!(*load)->done()) {
    const auto run = worker_->Run(shm_.sources, kStepsOfALook);
    if (!run.ok()) return run.status();
    shm_.result.Add(*run, kStepsOfALook);
  }
  const auto time = (*load)->Finish();
  if (!time.ok()) return time.status();
  const auto after = daemon_->NvmeReads();
  if (!after.ok()) return after.status();
  const auto reads = static_cast<double>(*after - *before);
  const auto tokens = static_cast<double>(prompt.size());
  (*json)["prefill_tokens_per_s"] = tokens / absl::ToDoubleSeconds(*time);
  (*json)["prefill_reads_per_token"] = reads / (tokens + static_cast<double>(shm_.result.tokens()));
  const double device = (*json)["device_reads_per_s"];
  (*json)["prefill_of_device"] = reads / absl::ToDoubleSeconds(*time) / device;
  (*json)["prefill_decode_stall_p99_us"] = shm_.result.StallP99Us();
  (*json)["prefill_decode_stall_us_by_layer"] = shm_.result.StallByLayer(Layers());
  const auto bare = MeasureBesideLoad(dir_->Path("store/db"), hasher_->ids_per_position());
  if (!bare.ok()) return bare.status();
  (*json)["device_idle_burst_p99_us"] = bare->idle_p99_us;
  (*json)["device_loaded_burst_p99_us"] = bare->loaded_p99_us;
  (*json)["device_load_reads_per_s"] = bare->load_reads_per_s;
  return absl::OkStatus();
}

absl::StatusOr<nlohmann::json> WorkerBench::Run() {
  const auto reads = MeasureRounds(options_.plan.sequences, {&baseline_, &shm_, &grpc_});
  if (!reads.ok()) return reads.status();
  nlohmann::json json = {{"table_bytes", options_.table_bytes},
                         {"ram_share", options_.ram_share},
                         {"warm_share", options_.warm_share},
                         {"of_ngrams", options_.of_ngrams},
                         {"windows", options_.windows},
                         {"rebalance", options_.rebalance},
                         {"daemon_flags", options_.daemon_flags},
                         {"warm_up_tokens", options_.warm_up_tokens},
                         {"sequences", options_.plan.sequences},
                         {"prompt_tokens", ToText(options_.plan.prompt_tokens)},
                         {"output_tokens", ToText(options_.plan.output_tokens)},
                         {"step_tokens", options_.plan.step_tokens},
                         {"step_ms", absl::ToDoubleMilliseconds(options_.plan.step)},
                         {"layers", options_.plan.layers},
                         {"partial", options_.plan.partial},
                         {"lookahead", options_.plan.lookahead},
                         {"draft_accuracy", options_.plan.draft_accuracy},
                         {"steps", options_.steps},
                         {"rounds", options_.rounds},
                         {"baseline_tokens_per_s", Median(baseline_.result.tokens_per_s())}};
  AddWay("", shm_, &json);
  AddWay("grpc_", grpc_, &json);
  json["nvme_reads_per_token"] = static_cast<double>(*reads) /
                                 static_cast<double>(shm_.result.tokens() + grpc_.result.tokens());
  absl::Status status = AddDevice(&json);
  if (status.ok() && options_.prefill_tokens > 0) status = AddPrefill(&json);
  if (status.ok() && options_.find_max) status = AddMax(&json);
  if (!status.ok()) return status;
  return json;
}

absl::Status Check(const WorkerBenchOptions& options) {
  const WorkerPlan& plan = options.plan;
  if (options.rounds < kMinRounds || options.steps < 1 || plan.sequences < 1 ||
      plan.step_tokens < plan.sequences || plan.output_tokens.least < 1 || plan.layers < 15 ||
      plan.step <= absl::ZeroDuration()) {
    return absl::InvalidArgumentError(
        "worker: needs 5 rounds or more, steps of some time and 15 layers or more, and at least as "
        "many tokens of a step as sequences, of which there is at least one with an output");
  }
  if (!(options.ram_share > 0 && options.ram_share <= 1) || !(options.warm_share >= 0)) {
    return absl::InvalidArgumentError(absl::StrCat("worker: a RAM share of ", options.ram_share,
                                                   " is not above 0 and at most 1, "
                                                   "or a warm share of ",
                                                   options.warm_share, " is not 0 or more"));
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
