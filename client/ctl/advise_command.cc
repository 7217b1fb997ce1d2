#include <CLI/CLI.hpp>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/ctl/advice.h"
#include "client/ctl/commands.h"
#include "client/ctl/connection.h"
#include "client/ctl/json_output.h"
#include "client/ctl/option_checks.h"
#include "client/ctl/table_names.h"
#include "client/ctl/text_table.h"
#include "client/ctl/units.h"

namespace engram::ctl {
namespace {

struct AdviseOptions {
  std::string name;
  std::vector<uint64_t> ram_bytes;
  std::optional<double> target;
};

std::string Percent(double ratio) { return absl::StrFormat("%.1f %%", 100 * ratio); }

void PrintAdvice(const Advice& advice, const std::vector<SizeAdvice>& sizes,
                 const std::optional<TargetAdvice>& target, std::ostream& out) {
  const v1::TableUsage& usage = advice.table().usage();
  out << Describe(advice.table().identity()) << ": predicted from "
      << FormatCount(usage.sampled_uses()) << " uses of "
      << absl::StrFormat("%.3g %%", 100 * usage.sampling_rate()) << " of its groups\n";
  TextTable text(
      {{"RAM", true}, {"GROUPS", true}, {"HIT RATIO", true}, {"NVME READS A GROUP", true}});
  for (const SizeAdvice& size : sizes) {
    const double groups = size.bytes / usage.bytes_per_group();
    text.AddRow({FormatBytes(size.bytes), FormatCount(static_cast<uint64_t>(groups)),
                 absl::StrCat(size.at_least ? ">= " : "", Percent(size.hit_ratio)),
                 absl::StrCat(size.at_least ? "<= " : "",
                              absl::StrFormat("%.2f", advice.ColdReadsPerGroup(size.hit_ratio)))});
  }
  text.Print(out, "  ");
  if (!target.has_value()) return;
  out << "  a hit ratio of " << Percent(target->hit_ratio) << " needs ";
  if (target->bytes.has_value()) {
    out << (target->at_most ? "at most " : "") << FormatBytes(*target->bytes) << " of RAM\n";
  } else {
    out << "more than " << FormatBytes(advice.Simulated().back().bytes)
        << " of RAM, or cannot be had\n";
  }
}

Json AdviceJson(const Advice& advice, const std::vector<SizeAdvice>& sizes,
                const std::optional<TargetAdvice>& target) {
  Json json = ToJson(advice.table().identity());
  json["sampled_uses"] = advice.table().usage().sampled_uses();
  json["sampling_rate"] = advice.table().usage().sampling_rate();
  json["sizes"] = Json::array();
  for (const SizeAdvice& size : sizes) {
    json["sizes"].push_back({{"ram_bytes", size.bytes},
                             {"hit_ratio", size.hit_ratio},
                             {"at_least", size.at_least},
                             {"reads_per_group", advice.ColdReadsPerGroup(size.hit_ratio)}});
  }
  if (target.has_value()) {
    Json& found = json["target"] = {{"hit_ratio", target->hit_ratio}};
    found["ram_bytes"] = target->bytes.has_value() ? Json(*target->bytes) : Json();
    found["at_most"] = target->at_most;
  }
  return json;
}

absl::Status RunAdvise(const CommandContext& context, const AdviseOptions& options) {
  Connection connection(context.address);
  v1::GetStatsRequest request;
  request.set_name(options.name);
  const auto stats = connection.Call(&Connection::Stub::GetStats, request);
  if (!stats.ok()) return stats.status();
  const absl::StatusOr<Advice> advice = Advice::Create(*stats);
  if (!advice.ok()) return advice.status();
  std::vector<SizeAdvice> sizes;
  for (const uint64_t bytes : options.ram_bytes) {
    sizes.push_back(advice->ForBytes(static_cast<double>(bytes)));
  }
  if (options.ram_bytes.empty()) sizes = advice->Simulated();
  std::optional<TargetAdvice> target;
  if (options.target.has_value()) target = advice->ForHitRatio(*options.target);
  if (context.json) {
    PrintJson(AdviceJson(*advice, sizes, target), context.console.out);
  } else {
    PrintAdvice(*advice, sizes, target, context.console.out);
  }
  return absl::OkStatus();
}

}  // namespace

void AddAdviseCommand(CommandLine& line) {
  const auto options = std::make_shared<AdviseOptions>();
  CLI::App* const app = line.AddCommand(
      {.name = "advise",
       .summary = "Predict from the live traffic what other RAM sizes would serve of a table",
       .example = "engramctl advise deepseek-v4.1-flash/layer1 --ram 8GB --ram 32GB "
                  "--target-hit 0.7"},
      [options](const CommandContext& context) { return RunAdvise(context, *options); });
  app->add_option("TABLE", options->name, "The table; its published version counts")
      ->required()
      ->check(NotEmpty());
  app->add_option("--ram", options->ram_bytes,
                  "RAM for this table alone; may be repeated. Default: the sizes simulated")
      ->transform(CLI::AsSizeValue(/*kb_is_1000=*/true).description(""))
      ->type_name("SIZE")
      ->allow_extra_args(false);
  app->add_option("--target-hit", options->target, "Say how much RAM has this hit ratio, 0 to 1")
      ->check(CLI::Range(0.0, 1.0).description(""))
      ->type_name("RATIO");
}

}  // namespace engram::ctl
