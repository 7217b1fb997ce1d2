#include "client/ctl/usage_output.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/ctl/text_table.h"
#include "client/ctl/units.h"

namespace engram::ctl {
namespace {

std::string Rounded(double count) {
  return FormatCount(static_cast<uint64_t>(std::llround(count)));
}

nlohmann::ordered_json OrderJson(const v1::OrderUsage& order) {
  nlohmann::ordered_json json = {{"order", order.order()},
                                 {"observed_uses", order.uses()},
                                 {"hit_ratio", order.hit_ratio()},
                                 {"distinct_groups", order.distinct_groups()},
                                 {"distinct_groups_error", order.distinct_groups_error()}};
  if (order.has_zipf_exponent()) {
    json["zipf_exponent"] = order.zipf_exponent();
    json["zipf_exponent_error"] = order.zipf_exponent_error();
  }
  if (order.has_drift()) {
    json["drift"] = order.drift();
    json["drift_error"] = order.drift_error();
    json["drift_coverage"] = order.drift_coverage();
  }
  return json;
}

}  // namespace

void PrintUsage(const v1::TableUsage& usage, std::ostream& out) {
  const bool observed = std::any_of(usage.orders().begin(), usage.orders().end(),
                                    [](const v1::OrderUsage& order) { return order.uses() > 0; });
  if (!observed) return;
  out << "  traffic of the last "
      << FormatWholeSeconds(static_cast<uint64_t>(usage.window_seconds())) << ", estimated:\n";
  TextTable text({{"GROUPS"},
                  {"OBSERVED", true},
                  {"RAM HITS", true},
                  {"DISTINCT", true},
                  {"ZIPF EXPONENT", true},
                  {"DRIFT", true}});
  for (const v1::OrderUsage& order : usage.orders()) {
    text.AddRow(
        {order.order() == 0 ? "all" : absl::StrCat(order.order(), "-grams"), Rounded(order.uses()),
         order.uses() > 0 ? absl::StrFormat("%.1f %%", 100 * order.hit_ratio()) : "-",
         absl::StrCat(Rounded(order.distinct_groups()), " +- ",
                      Rounded(order.distinct_groups_error())),
         order.has_zipf_exponent()
             ? absl::StrFormat("%.3f +- %.3f", order.zipf_exponent(), order.zipf_exponent_error())
             : "-",
         order.has_drift() ? absl::StrFormat("%.1f %% of %.0f %%", 100 * order.drift(),
                                             100 * order.drift_coverage())
                           : "-"});
  }
  text.Print(out, "  ");
  if (usage.lost_uses() > 0) {
    out << "  observations lost because too many came at once: " << FormatCount(usage.lost_uses())
        << "\n";
  }
}

nlohmann::ordered_json UsageJson(const v1::TableUsage& usage) {
  nlohmann::ordered_json json = {{"uses", usage.uses()},
                                 {"window_seconds", usage.window_seconds()},
                                 {"sampling_rate", usage.sampling_rate()},
                                 {"sampled_uses", usage.sampled_uses()},
                                 {"lost_uses", usage.lost_uses()},
                                 {"bytes_per_group", usage.bytes_per_group()}};
  json["orders"] = nlohmann::ordered_json::array();
  for (const v1::OrderUsage& order : usage.orders()) json["orders"].push_back(OrderJson(order));
  json["hit_ratios"] = nlohmann::ordered_json::array();
  for (const v1::HitRatioPoint& point : usage.hit_ratios()) {
    json["hit_ratios"].push_back(
        {{"groups", point.groups()}, {"bytes", point.bytes()}, {"hit_ratio", point.hit_ratio()}});
  }
  return json;
}

}  // namespace engram::ctl
