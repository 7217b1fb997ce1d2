#include <CLI/CLI.hpp>
#include <map>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/checkpoint/checkpoint_writer.h"
#include "client/ctl/commands.h"
#include "client/ctl/exit_code.h"
#include "client/ctl/interrupt.h"
#include "client/ctl/json_output.h"
#include "client/ctl/option_checks.h"
#include "client/ctl/progress.h"
#include "client/ctl/units.h"

namespace engram::ctl {
namespace {

struct MakeCheckpointOptions {
  std::string geometry = "deepseek-v4.1";
  CheckpointOptions checkpoint;
  uint64_t bytes = 0;  // of all tables together; 0: as checkpoint.vocab_size says
};

struct Geometry {
  CheckpointGeometry number;
  // Bytes of all tables together for one unit of the vocabulary size: layers x orders x heads rows.
  uint64_t bytes_per_vocab_unit;
};

const std::map<std::string, Geometry>& Geometries() {
  static const std::map<std::string, Geometry> kGeometries = {
      {"deepseek-v4.1", {CheckpointGeometry::kDeepSeekV41, 2 * 3 * 8 * 264}},
      {"qwen-ple", {CheckpointGeometry::kQwenPle, 1 * 2 * 8 * 160}},
  };
  return kGeometries;
}

std::string CheckGeometry(const std::string& name) {
  if (Geometries().contains(name)) return "";
  return absl::StrCat("\"", name, "\" is neither deepseek-v4.1 nor qwen-ple");
}

absl::Status ChooseVocabSize(MakeCheckpointOptions& options) {
  if (options.bytes == 0) return absl::OkStatus();
  const uint64_t unit = Geometries().at(options.geometry).bytes_per_vocab_unit;
  const uint64_t vocab_size = options.bytes / unit;
  if (vocab_size == 0 || vocab_size > UINT32_MAX) {
    return absl::InvalidArgumentError(absl::StrCat("--bytes ", options.bytes,
                                                   " is out of range: geometry ", options.geometry,
                                                   " takes ", unit, " to ", UINT32_MAX * unit));
  }
  options.checkpoint.vocab_size = static_cast<uint32_t>(vocab_size);
  return absl::OkStatus();
}

void Print(const CommandContext& context, const MakeCheckpointOptions& options,
           const CheckpointSummary& summary, double seconds) {
  const CheckpointOptions& checkpoint = options.checkpoint;
  Json json = {{"directory", checkpoint.directory},
               {"geometry", options.geometry},
               {"tables", Json::array()},
               {"shards", summary.shards},
               {"tensor_bytes", summary.tensor_bytes},
               {"seconds", seconds}};
  const auto bytes = static_cast<double>(summary.tensor_bytes);
  std::ostream& out = context.console.out;
  if (!context.json) {
    out << "wrote " << checkpoint.directory << ": geometry " << options.geometry << ", "
        << summary.shards << (summary.shards == 1 ? " shard, " : " shards, ") << FormatBytes(bytes)
        << " in " << FormatSeconds(seconds) << " (" << FormatRate(bytes / seconds) << ")\n";
  }
  for (const CheckpointTable& table : summary.tables) {
    json["tables"].push_back({{"layer", table.key.layer},
                              {"seed", table.key.seed},
                              {"rows", table.rows},
                              {"row_bytes", table.row_bytes}});
    if (!context.json) {
      out << "  layer " << table.key.layer << ": " << FormatCount(table.rows) << " rows of "
          << table.row_bytes << " B\n";
    }
  }
  if (context.json) PrintJson(json, out);
}

absl::Status RunMakeCheckpoint(const CommandContext& context, MakeCheckpointOptions options) {
  options.checkpoint.geometry = Geometries().at(options.geometry).number;
  if (absl::Status status = ChooseVocabSize(options); !status.ok()) return status;
  const Interrupt interrupt;
  Progress progress(context.console);
  const absl::Time start = absl::Now();
  options.checkpoint.progress = [&](uint64_t bytes_done, uint64_t bytes_total) {
    const auto done = static_cast<double>(bytes_done);
    progress.Update({.label = "checkpoint",
                     .done = bytes_done,
                     .total = bytes_total,
                     .amount = absl::StrCat(FormatBytes(done), " of ",
                                            FormatBytes(static_cast<double>(bytes_total))),
                     .rate = FormatRate(done / absl::ToDoubleSeconds(absl::Now() - start))});
    return !interrupt.requested();
  };
  const absl::StatusOr<CheckpointSummary> summary = MakeCheckpoint(options.checkpoint);
  progress.Clear();
  if (absl::IsCancelled(summary.status())) {
    return absl::CancelledError("cancelled; no file of the checkpoint is left");
  }
  if (!summary.ok()) return AsInputError(summary.status());
  Print(context, options, *summary, absl::ToDoubleSeconds(absl::Now() - start));
  return absl::OkStatus();
}

}  // namespace

void AddMakeCheckpointCommand(CommandLine& line) {
  const auto options = std::make_shared<MakeCheckpointOptions>();
  CheckpointOptions& checkpoint = options->checkpoint;
  CLI::App* const app = line.AddCommand(
      {.name = "make-checkpoint",
       .summary =
           "Write a checkpoint like a published model's, of any size, to try things out with",
       .example = "engramctl make-checkpoint /tmp/v41 --bytes 1GB\n"
                  "engramctl import /tmp/v41 demo",
       .uses_daemon = false},
      [options](const CommandContext& context) { return RunMakeCheckpoint(context, *options); });
  app->add_option("DIR", checkpoint.directory, "Where to; created if absent")->required();
  app->add_option("--geometry", options->geometry,
                  "deepseek-v4.1 or qwen-ple: tensors, row size, layers, heads")
      ->check(CheckGeometry, "")
      ->type_name("NAME")
      ->capture_default_str();
  CLI::Option* const vocab_size = app->add_option("--vocab-size", checkpoint.vocab_size,
                                                  "Rows of a hash head; default: the model's own")
                                      ->check(AboveZero())
                                      ->type_name("N");
  app->add_option("--bytes", options->bytes,
                  "About how large all tables are together, e.g. 1GB, instead of --vocab-size")
      ->check(NotNegative())
      ->transform(CLI::AsSizeValue(/*kb_is_1000=*/true).description(""))
      ->check(AboveZero())
      ->excludes(vocab_size)
      ->type_name("SIZE");
  app->add_option("--token-vocab-size", checkpoint.token_vocab_size,
                  "Token ids, compressed, lie below this; default: the model's own")
      ->check(AboveZero())
      ->type_name("N");
  app->add_option("--seed", checkpoint.seed,
                  "Tells the rows of two checkpoints of the same shape apart")
      ->type_name("N");
}

}  // namespace engram::ctl
