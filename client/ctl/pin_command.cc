#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <vector>

#include "client/ctl/commands.h"
#include "client/ctl/connection.h"
#include "client/ctl/exit_code.h"
#include "client/ctl/json_output.h"
#include "client/ctl/pin_call.h"
#include "client/ctl/row_id_file.h"
#include "client/ctl/table_names.h"
#include "client/ctl/units.h"
#include "client/ctl/warm_up_call.h"
#include "client/hash/u32_file.h"

namespace engram::ctl {
namespace {

constexpr char kFileHelp[] =
    "Row ids, those of an n-gram together, as 32-bit numbers: a .u32 or .u32.zst file";

struct PinCommandOptions {
  std::string table;
  std::string file;
  bool unpin = false;
  bool all = false;
};

void PrintText(const v1::PinProgress& answer, bool unpin, std::ostream& out) {
  out << Describe(answer.table()) << ": " << FormatCount(answer.changed()) << " n-grams "
      << (unpin ? "unpinned, " : "pinned, ") << FormatCount(answer.unchanged())
      << (unpin ? " were not pinned; " : " were before; ") << FormatCount(answer.pinned())
      << " of at most " << FormatCount(answer.limit()) << " are pinned\n";
  if (answer.saved()) return;
  out << "This is not saved: it lasts until the daemon stops.\n";
}

void PrintAsJson(const v1::PinProgress& answer, bool unpin, std::ostream& out) {
  Json json = ToJson(answer.table());
  json[unpin ? "unpinned" : "newly_pinned"] = answer.changed();
  json["unchanged"] = answer.unchanged();
  json["pinned"] = answer.pinned();
  json["limit"] = answer.limit();
  json["saved"] = answer.saved();
  PrintJson(json, out);
}

absl::Status RunPin(const CommandContext& context, const PinCommandOptions& options) {
  std::vector<uint32_t> ids;
  if (!options.all) {
    auto read = ReadU32File(options.file);
    if (!read.ok()) return AsInputError(read.status());
    ids = *std::move(read);
  }
  Connection connection(context.address);
  const absl::StatusOr<v1::TableInfo> info = FindPublished(connection, options.table);
  if (!info.ok()) return info.status();
  if (absl::Status status = CheckRowIds(options.file, ids, info->spec()); !status.ok()) {
    return status;
  }
  const auto answer = CallPin(context, connection,
                              {.table = info->identity(),
                               .row_ids = ids,
                               .group_size = info->spec().group_size(),
                               .unpin = options.unpin,
                               .all = options.all});
  if (!answer.ok()) return answer.status();
  if (context.json) {
    PrintAsJson(*answer, options.unpin, context.console.out);
  } else {
    PrintText(*answer, options.unpin, context.console.out);
  }
  return absl::OkStatus();
}

}  // namespace

void AddPinCommand(CommandLine& line) {
  const auto options = std::make_shared<PinCommandOptions>();
  CLI::App* const app = line.AddCommand(
      {.name = "pin",
       .summary = "Keep n-grams in RAM until they are unpinned; over restarts as well, unless the "
                  "daemon runs with --hot-set-seconds 0",
       .example = "engramctl pin demo/layer1 ids.u32.zst"},
      [options](const CommandContext& context) { return RunPin(context, *options); });
  app->add_option("TABLE", options->table, "The table")->required();
  app->add_option("FILE", options->file, kFileHelp)->required();
}

void AddUnpinCommand(CommandLine& line) {
  const auto options = std::make_shared<PinCommandOptions>();
  options->unpin = true;
  CLI::App* const app = line.AddCommand(
      {.name = "unpin",
       .summary = "Let pinned n-grams leave RAM again as others do",
       .example = "engramctl unpin demo/layer1 --all"},
      [options](const CommandContext& context) { return RunPin(context, *options); });
  app->add_option("TABLE", options->table, "The table")->required();
  CLI::Option_group* const which = app->add_option_group("Which n-grams");
  which->add_option("FILE", options->file, kFileHelp);
  which->add_flag("--all", options->all, "All that are pinned");
  which->require_option(1);
}

}  // namespace engram::ctl
