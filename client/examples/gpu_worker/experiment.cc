#include "client/examples/gpu_worker/experiment.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/ctl/load_hasher.h"
#include "client/ctl/replay_tables.h"
#include "client/ctl/units.h"
#include "client/engram_client.h"
#include "client/examples/gpu_worker/gpu.h"
#include "client/examples/gpu_worker/injection.h"
#include "client/examples/gpu_worker/kernels.h"
#include "client/examples/gpu_worker/text.h"
#include "client/hash/ngram_hasher.h"
#include "client/hash/trace.h"

namespace engram::gpu_worker {
namespace {

// Memory to share beyond the RowBuffer's: the rings, and ids under way.
constexpr uint64_t kSpareSharedBytes = uint64_t{64} << 20;
// No row of the formats that this program reads is larger.
constexpr uint64_t kMostRowBytes = 512;

// The daemon's side.
struct Source {
  NgramHasher hasher;
  TokenTrace trace;
  std::unique_ptr<Client> client;
  std::vector<ctl::ReplayTable> tables;
  RowLayout layout;
};

size_t Slots(const Options& options) { return std::max<size_t>(2, options.decode.ahead + 1); }

ClientOptions ToClientOptions(const Options& options, const NgramHasher& hasher) {
  ClientOptions client{.address = options.address};
  const uint64_t step_rows =
      hasher.layers().size() * hasher.ids_per_position() * options.shape.batch;
  client.shared_memory_bytes = Slots(options) * step_rows * kMostRowBytes + kSpareSharedBytes;
  if (!options.shared_memory) client.shared_memory_bytes = 0;
  return client;
}

absl::StatusOr<RowLayout> CommonLayout(const std::vector<ctl::ReplayTable>& tables,
                                       size_t rows_per_token) {
  absl::StatusOr<RowLayout> common = LayoutOf(*tables[0].table, rows_per_token);
  for (size_t i = 1; common.ok() && i < tables.size(); ++i) {
    const absl::StatusOr<RowLayout> layout = LayoutOf(*tables[i].table, rows_per_token);
    if (!layout.ok()) return layout.status();
    if (*layout == *common) continue;
    return absl::FailedPreconditionError(absl::StrCat(
        tables[i].table->name(), " has rows of another format than ", tables[0].table->name()));
  }
  return common;
}

absl::StatusOr<Source> OpenSource(const Options& options) {
  absl::StatusOr<NgramHasher> hasher = ctl::LoadHasher(options.config, options.token_map);
  if (!hasher.ok()) return hasher.status();
  absl::StatusOr<TokenTrace> trace = ReadTrace(options.trace, options.docs);
  if (!trace.ok()) return trace.status();
  absl::StatusOr<std::unique_ptr<Client>> client =
      Client::Connect(ToClientOptions(options, *hasher));
  if (!client.ok()) return client.status();
  absl::StatusOr<std::vector<ctl::ReplayTable>> tables =
      ctl::OpenReplayTables(**client, options.name, *hasher, options.decode.check);
  if (!tables.ok()) return tables.status();
  const absl::StatusOr<RowLayout> layout = CommonLayout(*tables, hasher->ids_per_position());
  if (!layout.ok()) return layout.status();
  return Source{.hasher = *std::move(hasher),
                .trace = *std::move(trace),
                .client = *std::move(client),
                .tables = *std::move(tables),
                .layout = *layout};
}

absl::StatusOr<std::vector<uint32_t>> EngramLayers(const NgramHasher& hasher, size_t layers) {
  std::vector<uint32_t> ids;
  for (const LayerHash& layer : hasher.layers()) {
    if (layer.layer_id == 0 || layer.layer_id >= layers) {
      return absl::InvalidArgumentError(absl::StrCat("the config's Engram layer ", layer.layer_id,
                                                     " is not 1 to ", layers - 1,
                                                     ": see --layers"));
    }
    ids.push_back(layer.layer_id);
  }
  return ids;
}

// One pair after the other, whichever kind went first last time going second.
absl::Status RunRounds(DecodeLoop& loop, Text& text, const Options& options, Measured& measured,
                       std::ostream& progress) {
  NgramBatch batch;
  for (size_t i = 0; i < options.rounds; ++i) {
    for (const bool with_rows : {i % 2 == 1, i % 2 == 0}) {
      absl::StatusOr<Round> round = loop.Run(text, with_rows);
      if (!round.ok()) return round.status();
      progress << absl::StrFormat("round %u %s rows: %.3f ms a step\n", i + 1,
                                  with_rows ? "with" : "without", round->step_ms)
               << std::flush;
      (with_rows ? measured.with_rows : measured.baseline).push_back(*std::move(round));
    }
    for (size_t step = 0; step < options.decode.steps_of_round(); ++step) {
      if (absl::Status status = text.Next(batch); !status.ok()) return status;
    }
  }
  return absl::OkStatus();
}

absl::Status Measure(const Options& options, const Gpu& gpu, Source& source, Measured& measured,
                     std::ostream& progress) {
  absl::StatusOr<Text> text =
      Text::Create(source.hasher, source.trace, options.shape.batch, options.range,
                   options.decode.steps_of_round() * options.rounds);
  if (!text.ok()) return text.status();
  const absl::StatusOr<std::unique_ptr<Stream>> main = gpu.NewStream();
  if (!main.ok()) return main.status();
  const absl::StatusOr<std::unique_ptr<Stream>> side = gpu.NewStream();
  if (!side.ok()) return side.status();
  const absl::StatusOr<Kernels> kernels = CompileKernels(gpu, options.nvrtc);
  if (!kernels.ok()) return kernels.status();
  if (absl::Status status =
          CheckInjection(gpu, *kernels, source.layout, options.shape.hidden, **main);
      !status.ok()) {
    return status;
  }
  std::vector<Table*> tables;
  for (const ctl::ReplayTable& table : source.tables) tables.push_back(table.table.get());
  const auto rows =
      DeviceRows::Create(gpu, *source.client, tables,
                         {.slots = Slots(options),
                          .groups = options.shape.batch * (source.hasher.max_ngram() - 1),
                          .pin = options.pin});
  if (!rows.ok()) return rows.status();
  measured.shared_memory = (*rows)->shareable() && source.client->shared_memory().ok();
  measured.step_row_bytes = (*rows)->step_bytes();
  if (options.shared_memory && !measured.shared_memory) {
    progress << "rows come by gRPC: " << source.client->shared_memory() << "\n";
  }
  progress << "making " << ctl::FormatBytes(static_cast<double>(measured.weight_bytes))
           << " of weights\n"
           << std::flush;
  const auto model = Model::Create(gpu, **main, *kernels, options.cublas, options.shape,
                                   measured.layer_ids, options.graphs);
  if (!model.ok()) return model.status();
  const auto loop = DecodeLoop::Create({.gpu = gpu,
                                        .kernels = *kernels,
                                        .hasher = source.hasher,
                                        .tables = source.tables,
                                        .layout = source.layout,
                                        .model = **model,
                                        .rows = **rows,
                                        .main = **main,
                                        .side = **side},
                                       options.decode);
  if (!loop.ok()) return loop.status();
  absl::Status status = RunRounds(**loop, *text, options, measured, progress);
  // After an error copies and kernels may be under way, in memory that is given back now.
  status.Update((*side)->Synchronize());
  status.Update((*main)->Synchronize());
  measured.tiers = (*rows)->tiers();
  return status;
}

}  // namespace

absl::StatusOr<Measured> RunExperiment(const Options& options, std::ostream& progress) {
  const absl::StatusOr<std::unique_ptr<Gpu>> gpu = Gpu::Open();
  if (!gpu.ok()) return gpu.status();
  Measured measured;
  measured.gpu = (*gpu)->name();
  measured.driver_version = (*gpu)->driver_version();
  measured.weight_bytes = options.shape.weight_bytes();
  absl::StatusOr<Source> source = OpenSource(options);
  if (!source.ok()) return source.status();
  absl::StatusOr<std::vector<uint32_t>> layer_ids =
      EngramLayers(source->hasher, options.shape.layers);
  if (!layer_ids.ok()) return layer_ids.status();
  measured.layer_ids = *std::move(layer_ids);
  if (absl::Status status = Measure(options, **gpu, *source, measured, progress); !status.ok()) {
    return status;
  }
  return measured;
}

}  // namespace engram::gpu_worker
