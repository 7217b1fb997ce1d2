#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "client/ctl/commands.h"
#include "client/ctl/connection.h"
#include "client/ctl/exit_code.h"
#include "client/ctl/json_output.h"
#include "client/ctl/row_id_file.h"
#include "client/ctl/warm_up_call.h"
#include "client/hash/u32_file.h"

namespace engram::ctl {
namespace {

struct WarmUpCommandOptions {
  std::string table;
  std::string file;
};

absl::Status RunWarmUp(const CommandContext& context, const WarmUpCommandOptions& options) {
  const absl::StatusOr<std::vector<uint32_t>> ids = ReadU32File(options.file);
  if (!ids.ok()) return AsInputError(ids.status());
  Connection connection(context.address);
  const absl::StatusOr<v1::TableInfo> info = FindPublished(connection, options.table);
  if (!info.ok()) return info.status();
  if (absl::Status status = CheckRowIds(options.file, *ids, info->spec()); !status.ok()) {
    return status;
  }
  const size_t group_size = info->spec().group_size();
  const auto add = [&](size_t index, v1::WarmUpRequest* request) {
    const auto group = absl::MakeConstSpan(*ids).subspan(index * group_size, group_size);
    request->mutable_row_ids()->Add(group.begin(), group.end());
  };
  const size_t count = ids->size() / group_size;
  const auto last = WarmUp(context, connection, info->identity(),
                           {.count = count, .group_size = group_size, .add = add});
  if (!last.ok()) return last.status();
  if (context.json) {
    PrintJson(ToJson(*last, count), context.console.out);
  } else {
    PrintWarmUp(*last, count, context.console.out);
  }
  return absl::OkStatus();
}

}  // namespace

void AddWarmUpCommand(CommandLine& line) {
  const auto options = std::make_shared<WarmUpCommandOptions>();
  CLI::App* const app = line.AddCommand(
      {.name = "warm-up",
       .summary = "Bring n-grams into RAM before they are fetched, by row ids",
       .example = "engramctl warm-up demo/layer1 ids.u32.zst"},
      [options](const CommandContext& context) { return RunWarmUp(context, *options); });
  app->add_option("TABLE", options->table, "The table")->required();
  app->add_option("FILE", options->file,
                  "Row ids, those of an n-gram together and the most worthy first, as 32-bit "
                  "numbers: a .u32 or .u32.zst file")
      ->required();
}

}  // namespace engram::ctl
