// engram_bench: measures each part of the store against what the machine can do.
#include <unistd.h>

#include <cstdint>
#include <fstream>
#include <functional>
#include <iostream>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "tests/bench/cold_layout_bench.h"
#include "tests/bench/dequantize_bench.h"
#include "tests/bench/grpc_bench.h"
#include "tests/bench/grpc_servers.h"
#include "tests/bench/hash_bench.h"
#include "tests/bench/import_bench.h"
#include "tests/bench/nvme_bench.h"
#include "tests/bench/placement_bench.h"
#include "tests/bench/ram_bench.h"
#include "tests/bench/report.h"
#include "tests/bench/scale_bench.h"
#include "tests/bench/shm_bench.h"
#include "tests/bench/worker_bench.h"

namespace engram::bench {
namespace {

struct Options {
  bool json = false;
  std::string report;
  RamBenchOptions ram;
  HashBenchOptions hash;
  DequantizeBenchOptions dequantize;
  ColdLayoutOptions cold_layout;
  NvmeBenchOptions nvme;
  ImportBenchOptions import;
  GrpcBenchOptions grpc;
  ShmBenchOptions shm;
  ScaleBenchOptions scale;
  PlacementBenchOptions placement;
  WorkerBenchOptions worker;
};

// One benchmark: its name, how to run it, and how to print its result.
struct Case {
  std::string name;
  std::function<absl::StatusOr<nlohmann::json>()> run;
  std::function<std::string(const nlohmann::json&)> to_text = ToText;
};

std::vector<Case> Cases(const Options& options) {
  return {{"ram", [&] { return RunRamBench(options.ram); }},
          {"hash", [&] { return RunHashBench(options.hash); }},
          {"dequantize", [&] { return RunDequantizeBench(options.dequantize); }},
          {"cold-layout", [&] { return RunColdLayoutBench(options.cold_layout, std::cout); }},
          {"nvme", [&] { return RunNvmeBench(options.nvme); }},
          {"import", [&] { return RunImportBench(options.import); }},
          {"grpc", [&] { return RunGrpcBench(options.grpc); }},
          {"shm", [&] { return RunShmBench(options.shm); }},
          {"scale", [&] { return RunScaleBench(options.scale); }},
          {"placement", [&] { return RunPlacementBench(options.placement); }, PlacementToText},
          {"worker", [&] { return RunWorkerBench(options.worker); }}};
}

void AddBytes(CLI::App* app, const std::string& name, uint64_t* bytes, const std::string& what) {
  app->add_option(name, *bytes, what + "; with a unit, powers of 1024")
      ->transform(CLI::AsSizeValue(false));
}

template <typename Number>
void AddNumber(CLI::App* app, const std::string& name, Number* number, const std::string& what) {
  app->add_option(name, *number, what)->check(CLI::Range(1, std::numeric_limits<int>::max()));
}

void AddDir(CLI::App* app, std::string* dir) {
  app->add_option("--dir", *dir, "Where scratch files go; default: TMPDIR");
}

void AddPlan(CLI::App* app, ReadPlan* plan) {
  AddNumber(app, "--rounds", &plan->rounds, "Rounds of all readers in turn");
  AddNumber(app, "--batch-rows", &plan->batch_rows, "Distinct rows of a batch");
  AddNumber(app, "--batches", &plan->batches, "Batches of a reader's round");
  AddNumber(app, "--token-rows", &plan->token_rows, "Rows of a token");
  AddNumber(app, "--tokens", &plan->tokens, "Tokens of a reader's round");
}

void AddRam(CLI::App* app, RamBenchOptions* options) {
  AddBytes(app, "--table-bytes", &options->payload_bytes, "Rows held");
  AddNumber(app, "--row-bytes", &options->row_bytes, "Of one row");
  AddNumber(app, "--group-size", &options->group_size, "Rows of a group");
  AddNumber(app, "--batch-rows", &options->batch_rows, "Rows of one lookup");
  AddNumber(app, "--rows-per-run", &options->rows_per_run, "Rows each thread looks up in a round");
  AddNumber(app, "--rounds", &options->runs, "Rounds of all variants in turn");
}

void AddNvme(CLI::App* app, NvmeBenchOptions* options) {
  AddDir(app, &options->dir);
  AddBytes(app, "--table-bytes", &options->table_bytes, "Rows of the table");
  AddNumber(app, "--row-bytes", &options->row_bytes, "Of one row");
  AddNumber(app, "--group-size", &options->group_size, "Rows of a group");
  AddNumber(app, "--device-depth", &options->device_depth, "Of the bare device's reads");
  AddNumber(app, "--io-threads", &options->io_threads, "Of the store");
  AddPlan(app, &options->plan);
}

void AddGrpc(CLI::App* app, GrpcBenchOptions* options) {
  AddDir(app, &options->dir);
  AddBytes(app, "--table-bytes", &options->table_bytes, "Rows of the table");
  AddNumber(app, "--row-bytes", &options->row_bytes, "Of one row");
  AddNumber(app, "--group-size", &options->group_size, "Rows of a group");
  AddNumber(app, "--batch-rows", &options->batch_rows, "Rows of one answer");
  AddNumber(app, "--answers", &options->answers, "Answers of a server's round");
  AddNumber(app, "--rounds", &options->rounds, "Rounds of all servers in turn");
}

void AddShm(CLI::App* app, ShmBenchOptions* options) {
  AddDir(app, &options->dir);
  AddBytes(app, "--table-bytes", &options->table_bytes, "Rows of the table");
  AddNumber(app, "--row-bytes", &options->row_bytes, "Of one row");
  AddNumber(app, "--group-size", &options->group_size, "Rows of a group");
  AddNumber(app, "--batch-rows", &options->batch_rows, "Rows of one answer");
  AddNumber(app, "--answers", &options->answers, "Answers of a transport's round");
  AddNumber(app, "--token-rows", &options->token_rows, "Rows of a token");
  AddNumber(app, "--tokens", &options->tokens, "Tokens of a transport's round");
  AddNumber(app, "--paced-tokens", &options->paced_tokens, "Likewise, one every 10 ms");
  AddNumber(app, "--rounds", &options->rounds, "Rounds of both transports in turn");
}

void AddScale(CLI::App* app, ScaleBenchOptions* options) {
  AddDir(app, &options->dir);
  AddBytes(app, "--table-bytes", &options->table_bytes, "Rows of the smallest table");
  AddNumber(app, "--sizes", &options->sizes, "Tables, each four times the one before");
  AddNumber(app, "--row-bytes", &options->row_bytes, "Of one row");
  AddNumber(app, "--group-size", &options->group_size, "Rows of a group");
  AddBytes(app, "--hot-bytes", &options->hot_bytes, "Rows of each table that are hot");
  AddNumber(app, "--hot-passes", &options->hot_passes, "Over the hot rows, in a daemon's round");
  AddNumber(app, "--batch-rows", &options->batch_rows, "Rows of one fetch");
  AddNumber(app, "--batches", &options->batches, "Fetches of a daemon's round");
  AddNumber(app, "--rounds", &options->rounds, "Rounds of all daemons in turn");
}

void AddText(CLI::App* app, GroupTraceOptions* text) {
  app->add_option(
      "--trace", text->trace,
      "Token ids, little-endian 32-bit, in a .u32 or .u32.zst file; default: an excerpt "
      "of English manuals");
  app->add_option("--docs", text->docs, "Token counts of its documents, one a line");
  app->add_option("--token-map", text->token_map, "Default: the one of DeepSeek-V3's tokenizer");
}

void AddPlacement(CLI::App* app, PlacementBenchOptions* options) {
  GroupTraceOptions& trace = options->trace;
  AddText(app, &trace);
  CLI::Option* seed = app->add_option("--seed-trace", trace.seed_trace,
                                      "What the caches live through beforehand; default: nothing");
  app->add_option("--seed-docs", trace.seed_docs, "Token counts of the documents in that")
      ->needs(seed);
  app->add_option("--config", trace.config, "A model's config.json; default: DeepSeek-V4.1's");
  app->add_option("--layer", trace.layer, "A layer id of the config; default: its first");
  app->add_option("--cache", options->cache,
                  "Slots as a share of the trace's distinct groups; several for a table")
      ->check(CLI::Range(0.0, 1.0));
  AddNumber(app, "--scan", &options->scan_groups,
            "Groups read once, in the trace's second half; default: none");
  app->add_option("--warm", options->warm,
                  "Groups of a warm tier, as a share of the trace's distinct ones; default: none")
      ->check(CLI::Range(0.0, 1.0));
}

// "1..5", or a number alone.
void AddRange(CLI::App* app, const std::string& name, TokenRange* range, const std::string& what) {
  app->add_option(
         name,
         [range](const CLI::results_t& values) {
           const std::vector<std::string> ends = absl::StrSplit(values[0], "..");
           return ends.size() <= 2 && absl::SimpleAtoi(ends.front(), &range->least) &&
                  absl::SimpleAtoi(ends.back(), &range->most) && range->least <= range->most;
         },
         absl::StrCat(what, ", so many or N..M [", range->least, "]"))
      ->type_name("RANGE");
}

// The Engram paper's experiment: 512 sequences of 100 to 1,024 tokens, 8,858 tokens/s.
WorkerPlan PaperPlan() {
  return {.sequences = 512,
          .prompt_tokens = {50, 512},
          .output_tokens = {50, 512},
          .step_tokens = 512,
          .step = absl::Seconds(512) / 8858};
}

void AddPlan(CLI::App* app, WorkerPlan* plan) {
  // First, so that the others change it.
  app->add_flag_callback(
      "--paper", [plan] { *plan = PaperPlan(); },
      "As in the Engram paper: 512 sequences of 100 to 1,024 tokens at 8,858 tokens/s");
  AddNumber(app, "--sequences", &plan->sequences, "Side by side");
  AddRange(app, "--prompt-tokens", &plan->prompt_tokens, "Of each sequence, read in chunks");
  AddRange(app, "--output-tokens", &plan->output_tokens, "Of each sequence, one a step");
  AddNumber(app, "--step-tokens", &plan->step_tokens, "Most of one step, of all sequences");
  app->add_option_function<double>(
         "--step-ms", [plan](double ms) { plan->step = absl::Milliseconds(ms); },
         "What a step computes; default: 10")
      ->check(CLI::Range(0.01, 10'000.0));
  AddNumber(app, "--layers", &plan->layers, "Of the model, in equal parts of a step");
  app->add_flag("--partial", plan->partial, "Do without rows that are not there in time");
  app->add_option("--lookahead", plan->lookahead,
                  "Announce each sequence's token so many steps ahead; 0: not at all");
  app->add_option("--draft-accuracy", plan->draft_accuracy, "Part of these that is right [1]")
      ->check(CLI::Range(0.0, 1.0));
}

void AddWorker(CLI::App* app, WorkerBenchOptions* options) {
  AddDir(app, &options->dir);
  AddText(app, &options->text);
  AddBytes(app, "--table-bytes", &options->table_bytes, "Rows of both layers together");
  app->add_option("--ram-share", options->ram_share, "Of these, RAM of the daemon; 1: all of them");
  app->add_option("--warm-share", options->warm_share, "Likewise, disk for its warm tier");
  app->add_flag("--of-ngrams", options->of_ngrams,
                "Shares are of the rows of the trace's distinct n-grams, not of the table's");
  app->add_flag("--windows,!--no-windows", options->windows,
                "Tell the daemon when each layer begins [on]");
  app->add_flag("--rebalance", options->rebalance,
                "After the warm-up, move the daemon's RAM to where it saves most");
  app->add_option("--daemon-flag", options->daemon_flags,
                  "Of engramd, e.g. --daemon-flag=--ram-share=v41/layer1=0.8; may be given more "
                  "than once")
      ->allow_extra_args(false);
  AddNumber(app, "--warm-up-tokens", &options->warm_up_tokens, "Of the trace, fetched beforehand");
  AddPlan(app, &options->plan);
  AddNumber(app, "--steps", &options->steps, "Of each transport in a round");
  AddNumber(app, "--rounds", &options->rounds, "At least 5; medians are reported");
  app->add_flag("--find-max", options->find_max, "Add sequences until 1 % is lost");
  app->add_option("--prefill-tokens", options->prefill_tokens,
                  "At the end, read a prompt of so many tokens beside it; 0: none");
}

void AddCases(CLI::App* app, Options* options) {
  AddRam(app->add_subcommand("ram", "The RAM tier against a plain gather"), &options->ram);
  CLI::App* hash = app->add_subcommand("hash", "Row ids a second of the n-gram hasher");
  AddNumber(hash, "--chunk-tokens", &options->hash.chunk_tokens, "Tokens hashed at once");
  AddNumber(hash, "--rounds", &options->hash.rounds, "At least 5; medians are reported");
  CLI::App* dequantize = app->add_subcommand("dequantize", "FP8 rows as FP32 and BF16 values");
  AddNumber(dequantize, "--rows", &options->dequantize.rows, "Rows of one call");
  AddNumber(dequantize, "--rounds", &options->dequantize.rounds,
            "At least 5; medians are reported");
  CLI::App* cold = app->add_subcommand("cold-layout", "Ways to lay out and read the cold tier");
  AddDir(cold, &options->cold_layout.dir);
  AddBytes(cold, "--table-bytes", &options->cold_layout.table_bytes, "Rows of each table");
  AddNumber(cold, "--row-bytes", &options->cold_layout.row_bytes, "Of one row");
  AddPlan(cold, &options->cold_layout.plan);
  AddNvme(app->add_subcommand("nvme", "Fetches from NVMe against the bare device and RocksDB"),
          &options->nvme);
  CLI::App* import =
      app->add_subcommand("import", "Import of a checkpoint against a sequential write");
  AddDir(import, &options->import.dir);
  AddBytes(import, "--bytes", &options->import.bytes, "Of the checkpoint");
  AddNumber(import, "--rounds", &options->import.rounds, "At least 5; medians are reported");
  AddGrpc(app->add_subcommand("grpc", "Answers from RAM against bare gRPC and Redis"),
          &options->grpc);
  AddShm(app->add_subcommand("shm", "Answers from RAM by shared memory against gRPC"),
         &options->shm);
  AddScale(app->add_subcommand("scale", "The daemon on tables of growing size"), &options->scale);
  AddWorker(app->add_subcommand("worker", "Tokens a second that an engine loses by its fetches"),
            &options->worker);
  AddPlacement(app->add_subcommand("placement", "Hits of the RAM tier's policy on real text"),
               &options->placement);
  app->add_subcommand("all", "All of these with their defaults")
      ->add_option("--report", options->report, "Markdown file to write")
      ->required();
}

// Of a server that RunGrpcBench starts this program anew for.
struct EchoServer {
  std::string socket;
  uint64_t block_bytes = 0;
  uint64_t answer_bytes = 0;
  uint32_t row_bytes = 0;
};

void AddEchoServer(CLI::App* app, EchoServer* server) {
  CLI::App* echo = app->add_subcommand("serve-echo")->group("");
  echo->add_option("--socket", server->socket)->required();
  echo->add_option("--block-bytes", server->block_bytes)->required();
  echo->add_option("--answer-bytes", server->answer_bytes)->required();
  echo->add_option("--row-bytes", server->row_bytes)->required();
}

int Fail(const std::string& what, const absl::Status& status) {
  std::cerr << "engram_bench: " << what << ": " << status.ToString() << "\n";
  return 1;
}

int RunAll(const Options& options) {
  std::map<std::string, CaseResult> results;
  nlohmann::json json;
  for (const Case& one : Cases(options)) {
    std::cerr << "engram_bench: " << one.name << "\n";
    auto result = one.run();
    if (!result.ok()) {
      return Fail(one.name, result.status());
    }
    json[one.name] = *result;
    results[one.name] = {*std::move(result), absl::StrCat("engram_bench ", one.name)};
  }
  const std::string markdown = ToMarkdown(results);
  std::ofstream file(options.report);
  if (!(file << markdown).flush()) {
    return Fail("all", absl::UnavailableError(absl::StrCat("cannot write ", options.report)));
  }
  std::cout << (options.json ? json.dump() + "\n" : markdown);
  return 0;
}

int RunOne(const Options& options, const std::string& name) {
  for (const Case& one : Cases(options)) {
    if (one.name == name) {
      const auto result = one.run();
      if (!result.ok()) {
        return Fail(name, result.status());
      }
      std::cout << (options.json ? result->dump() + "\n" : one.to_text(*result));
    }
  }
  return 0;
}

int Main(int argc, char** argv) {
  if (argc > 1 && std::string(argv[1]) == "serve-tables") {  // for BenchDaemon
    const absl::Status status = ServeTables(argc - 1, argv + 1);
    return status.ok() ? 0 : Fail("serve-tables", status);
  }
  Options options;
  EchoServer echo;
  CLI::App app("Measures each part of the store against what the machine can do, in one run.",
               "engram_bench");
  app.option_defaults()->always_capture_default();
  app.fallthrough();
  app.require_subcommand(1);
  app.add_flag("--json", options.json, "Print one JSON object as the last line of stdout");
  AddCases(&app, &options);
  AddEchoServer(&app, &echo);
  CLI11_PARSE(app, argc, argv);
  const std::string name = app.get_subcommands().front()->get_name();
  if (name == "serve-echo") {
    const absl::Status status =
        ServeEcho(echo.block_bytes, echo.answer_bytes, echo.row_bytes, echo.socket);
    return status.ok() ? 0 : Fail(name, status);
  }
  return name == "all" ? RunAll(options) : RunOne(options, name);
}

}  // namespace
}  // namespace engram::bench

int main(int argc, char** argv) { return engram::bench::Main(argc, argv); }
