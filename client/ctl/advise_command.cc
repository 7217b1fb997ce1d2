#include <CLI/CLI.hpp>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "client/ctl/advice.h"
#include "client/ctl/commands.h"
#include "client/ctl/connection.h"
#include "client/ctl/json_output.h"
#include "client/ctl/option_checks.h"
#include "client/ctl/stall_advice.h"
#include "client/ctl/stall_output.h"
#include "client/ctl/table_names.h"
#include "client/ctl/text_table.h"
#include "client/ctl/units.h"

namespace engram::ctl {
namespace {

struct AdviseOptions {
  std::vector<std::string> names;
  std::vector<uint64_t> ram_bytes;
  std::optional<double> target;
  std::string target_stall;  // "1%" or "0.01"; empty: none
  std::optional<double> tokens_per_second;
};

// "1%" or "0.01": above 0, at most 1.
std::optional<double> ParseFraction(absl::string_view text) {
  const bool percent = absl::ConsumeSuffix(&text, "%");
  double value = 0;
  if (!absl::SimpleAtod(text, &value)) return std::nullopt;
  if (percent) value /= 100;
  return value > 0 && value <= 1 ? std::optional(value) : std::nullopt;
}

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

absl::StatusOr<Advice> Predict(Connection& connection, const std::string& name) {
  v1::GetStatsRequest request;
  request.set_name(name);
  const auto stats = connection.Call(&Connection::Stub::GetStats, request);
  if (!stats.ok()) return stats.status();
  return Advice::Create(*stats);
}

// Prints what is known of one table, or returns it if JSON is wanted.
Json Advise(const CommandContext& context, const AdviseOptions& options, const Advice& advice) {
  std::vector<SizeAdvice> sizes;
  for (const uint64_t bytes : options.ram_bytes) {
    sizes.push_back(advice.ForBytes(static_cast<double>(bytes)));
  }
  if (options.ram_bytes.empty()) sizes = advice.Simulated();
  std::optional<TargetAdvice> target;
  if (options.target.has_value()) target = advice.ForHitRatio(*options.target);
  if (context.json) return AdviceJson(advice, sizes, target);
  PrintAdvice(advice, sizes, target, context.console.out);
  return {};
}

absl::Status RunAdvise(const CommandContext& context, const AdviseOptions& options) {
  Connection connection(context.address);
  std::vector<Advice> tables;
  for (const std::string& name : options.names) {
    absl::StatusOr<Advice> advice = Predict(connection, name);
    if (!advice.ok()) return advice.status();
    tables.push_back(*std::move(advice));
  }
  std::optional<StallTarget> target;
  if (const auto limit = ParseFraction(options.target_stall); limit.has_value()) {
    const auto advice = StallAdvice::Create(tables, options.tokens_per_second);
    if (!advice.ok()) return advice.status();
    target = advice->ForTarget(*limit);
  }
  Json json = {{"tables", Json::array()}};
  for (const Advice& advice : tables) json["tables"].push_back(Advise(context, options, advice));
  if (tables.size() == 1) json = Json(json["tables"][0]);
  if (target.has_value() && context.json) {
    json["target_stall"] = StallTargetJson(*target, tables);
  } else if (target.has_value()) {
    PrintStallTarget(*target, tables, context.console.out);
  }
  if (context.json) PrintJson(json, context.console.out);
  return absl::OkStatus();
}

}  // namespace

void AddAdviseCommand(CommandLine& line) {
  const auto options = std::make_shared<AdviseOptions>();
  CLI::App* const app = line.AddCommand(
      {.name = "advise",
       .summary = "Predict from the live traffic what other RAM sizes would serve of a table",
       .example = "engramctl advise deepseek-v4.1-flash/layer1 --ram 8GB --ram 32GB "
                  "--target-hit 0.7\n"
                  "engramctl advise v41/layer1 v41/layer14 --target-stall 1% --tokens-per-s 100"},
      [options](const CommandContext& context) { return RunAdvise(context, *options); });
  app->add_option("TABLE", options->names, "Tables; of each the published version counts")
      ->required()
      ->check(NotEmpty());
  app->add_option("--ram", options->ram_bytes,
                  "RAM for this table alone; may be repeated. Default: the sizes simulated")
      ->check(NotNegative())
      ->transform(CLI::AsSizeValue(/*kb_is_1000=*/true).description(""))
      ->type_name("SIZE")
      ->allow_extra_args(false);
  app->add_option("--target-hit", options->target, "Say how much RAM has this hit ratio, 0 to 1")
      ->check(Part())
      ->type_name("RATIO");
  CLI::Option* const stall =
      app->add_option("--target-stall", options->target_stall,
                      "Say how much RAM of the tables together keeps the time that a stream waits "
                      "for rows below this part of its time: 1% or 0.01")
          ->check(CLI::Validator(
              [](const std::string& text) {
                return ParseFraction(text).has_value() ? std::string()
                                                       : "\"" + text + "\" is no part of a whole";
              },
              ""))
          ->type_name("PART");
  app->add_option(
         "--tokens-per-s", options->tokens_per_second,
         "Of the stream, if each fetch is of one token; otherwise the fetches measured are taken "
         "for its tokens")
      ->check(AboveZero())
      ->type_name("N")
      ->needs(stall);
}

}  // namespace engram::ctl
