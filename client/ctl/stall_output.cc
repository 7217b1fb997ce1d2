#include "client/ctl/stall_output.h"

#include "absl/strings/str_format.h"
#include "client/ctl/json_output.h"
#include "client/ctl/table_names.h"
#include "client/ctl/text_table.h"
#include "client/ctl/units.h"

namespace engram::ctl {

void PrintStallTarget(const StallTarget& target, const std::vector<Advice>& tables,
                      std::ostream& out) {
  TextTable text({{"TABLE"},
                  {"WINDOW", true},
                  {"RAM", true},
                  {"HIT RATIO", true},
                  {"STALL A FETCH", true},
                  {"NVME READS A FETCH", true},
                  {"NVME READS/S", true}});
  for (size_t i = 0; i < tables.size(); ++i) {
    const StallShare& share = target.tables[i];
    text.AddRow({Describe(tables[i].table().identity()),
                 FormatLatency(tables[i].table().placement().window_us()), FormatBytes(share.bytes),
                 absl::StrFormat("%.1f %%", 100 * share.hit_ratio), FormatLatency(share.stall_us),
                 absl::StrFormat("%.2f", share.reads_per_fetch),
                 absl::StrFormat("%.0f", share.reads_per_fetch * share.fetches_per_second)});
  }
  text.Print(out);
  if (target.reached) {
    out << absl::StrFormat("a stall of %.3g %% needs %s of RAM, and leaves %.0f NVMe reads/s\n",
                           100 * target.target, FormatBytes(target.bytes()),
                           target.reads_per_second());
  } else {
    out << absl::StrFormat(
        "a stall of %.3g %% needs more RAM than was simulated, or cannot be had: %s leave %.3g %% "
        "and %.0f NVMe reads/s\n",
        100 * target.target, FormatBytes(target.bytes()), 100 * target.stall,
        target.reads_per_second());
  }
}

nlohmann::ordered_json StallTargetJson(const StallTarget& target,
                                       const std::vector<Advice>& tables) {
  Json json = {{"stall", target.target},
               {"reached", target.reached},
               {"predicted_stall", target.stall},
               {"ram_bytes", target.bytes()},
               {"reads_per_second", target.reads_per_second()},
               {"tables", Json::array()}};
  for (size_t i = 0; i < tables.size(); ++i) {
    const StallShare& share = target.tables[i];
    Json entry = ToJson(tables[i].table().identity());
    entry["window_us"] = tables[i].table().placement().window_us();
    entry["ram_bytes"] = share.bytes;
    entry["hit_ratio"] = share.hit_ratio;
    entry["stall_us_per_fetch"] = share.stall_us;
    entry["fetches_per_second"] = share.fetches_per_second;
    entry["reads_per_fetch"] = share.reads_per_fetch;
    json["tables"].push_back(std::move(entry));
  }
  return json;
}

}  // namespace engram::ctl
