#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/ctl/commands.h"
#include "client/ctl/connection.h"
#include "client/ctl/exit_code.h"
#include "client/ctl/json_output.h"
#include "client/ctl/option_checks.h"
#include "client/ctl/progress.h"
#include "client/ctl/table_names.h"
#include "client/ctl/units.h"

namespace engram::ctl {
namespace {

struct ImportOptions {
  std::string path;
  std::string name;
  std::optional<uint32_t> layer;
  std::string tensor;
  std::string scale_tensor;
  uint32_t group_size = 0;
  std::vector<uint32_t> orders;
  bool stage_only = false;
};

v1::ImportRequest ToRequest(const ImportOptions& options) {
  v1::ImportRequest request;
  request.set_path(std::filesystem::absolute(options.path).lexically_normal());
  request.set_name(options.name);
  if (options.layer.has_value()) request.set_layer(*options.layer);
  request.set_tensor(options.tensor);
  request.set_scale_tensor(options.scale_tensor);
  request.set_group_size(options.group_size);
  request.mutable_orders()->Assign(options.orders.begin(), options.orders.end());
  request.set_stage_only(options.stage_only);
  return request;
}

ProgressState ToProgressState(const v1::ImportProgress& message) {
  return {.label = message.table(),
          .done = message.bytes_done(),
          .total = message.bytes_total(),
          .amount = absl::StrCat(FormatBytes(static_cast<double>(message.bytes_done())), " of ",
                                 FormatBytes(static_cast<double>(message.bytes_total()))),
          .rate = FormatRate(message.bytes_per_second()),
          .seconds_left = message.seconds_left()};
}

double RowBytes(const v1::TableInfo& info) {
  return static_cast<double>(info.spec().rows()) * info.spec().row_bytes();
}

void PrintImported(const v1::TableInfo& info, std::ostream& out) {
  out << (info.published() ? "imported " : "staged ") << Describe(info.identity()) << ": "
      << FormatCount(info.spec().rows()) << " rows of " << info.spec().row_bytes() << " B, "
      << FormatBytes(RowBytes(info)) << ", digest "
      << absl::BytesToHexString(info.identity().digest()) << "\n";
  if (!info.published()) {
    out << "  publish it with: engramctl publish " << info.identity().name() << " "
        << info.identity().version() << "\n";
  }
}

// What an import that was cut off leaves behind: nothing.
absl::Status Explain(const absl::Status& status) {
  if (absl::IsCancelled(status)) {
    return absl::CancelledError("import cancelled; nothing was published");
  }
  if (absl::IsUnavailable(status)) {
    return absl::UnavailableError(absl::StrCat(status.message(), "; nothing was published"));
  }
  return status;
}

absl::Status RunImport(const CommandContext& context, const ImportOptions& options) {
  const Console& console = context.console;
  Connection connection(context.address);
  Progress progress(console);
  Json tables = Json::array();
  double bytes = 0;
  bool started = false;
  const absl::Time start = absl::Now();
  const absl::Status status = connection.Stream<v1::ImportRequest, v1::ImportProgress>(
      &Connection::Stub::Import, ToRequest(options), [&](const v1::ImportProgress& message) {
        started = true;
        if (!message.has_imported()) return progress.Update(ToProgressState(message));
        progress.Clear();
        if (!context.json) PrintImported(message.imported(), console.out);
        tables.push_back(ToJson(message.imported()));
        bytes += RowBytes(message.imported());
      });
  progress.Clear();
  if (absl::IsDataLoss(status)) return AsInputError(status);
  if (!status.ok()) return started ? Explain(status) : status;
  if (context.json) {
    PrintJson({{"imported", tables}}, console.out);
  } else {
    const double seconds = absl::ToDoubleSeconds(absl::Now() - start);
    console.out << FormatBytes(bytes) << " in " << FormatSeconds(seconds) << " ("
                << FormatRate(bytes / seconds) << ")\n";
  }
  return absl::OkStatus();
}

}  // namespace

void AddImportCommand(CommandLine& line) {
  const auto options = std::make_shared<ImportOptions>();
  CLI::App* const app = line.AddCommand(
      {.name = "import",
       .summary = "Import tables from a checkpoint or a file, and publish them",
       .example = "engramctl import /models/deepseek-v4.1-flash deepseek-v4.1-flash\n"
                  "engramctl import rows.npy my-table --group-size 8 --orders 2,3,4"},
      [options](const CommandContext& context) { return RunImport(context, *options); });
  app->add_option("PATH", options->path,
                  "On the daemon's host: a checkpoint directory, a .safetensors or a .npy file")
      ->required()
      ->check(NotEmpty());
  app->add_option("NAME", options->name,
                  "Name of the table; for a checkpoint the prefix of the tables' names, "
                  "NAME/layer<N>")
      ->required();
  app->add_option("--layer", options->layer, "Only this layer of a checkpoint")->type_name("N");
  app->add_option("--tensor", options->tensor, "The tensor of the rows, [rows, values]")
      ->type_name("NAME");
  app->add_option("--scale-tensor", options->scale_tensor,
                  "Scales that are packed after each row's values, or one scale of the table")
      ->type_name("NAME");
  app->add_option("--group-size", options->group_size,
                  "Rows of one n-gram; a checkpoint's config says it itself")
      ->check(AboveZero())
      ->type_name("N");
  app->add_option("--orders", options->orders, "N-gram orders of a token's groups: 2,3,4")
      ->delimiter(',')
      ->check(WholeNumber())
      ->allow_extra_args(false)
      ->type_name("N,N,..");
  app->add_flag("--stage-only", options->stage_only,
                "Keep the current version published; see publish");
}

}  // namespace engram::ctl
