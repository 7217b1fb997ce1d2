#include "client/ctl/rebalance_output.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/ctl/json_output.h"
#include "client/ctl/table_names.h"
#include "client/ctl/text_table.h"
#include "client/ctl/units.h"

namespace engram::ctl {
namespace {

std::string Bytes(uint64_t bytes) { return FormatBytes(static_cast<double>(bytes)); }

std::string BasisName(v1::ShareBasis basis) {
  switch (basis) {
    case v1::SHARE_BASIS_SAVING:
      return "saving";
    case v1::SHARE_BASIS_FIXED:
      return "fixed";
    case v1::SHARE_BASIS_SIZE:
      return "size";
    default:
      return "unknown";
  }
}

// "0.12 -> 0.34"; "-" where nothing is predicted.
std::string Change(const v1::TableShare& table, int digits, double now, double planned) {
  if (table.basis() == v1::SHARE_BASIS_SIZE) return "-";
  return absl::StrFormat("%.*f -> %.*f", digits, now, digits, planned);
}

std::string Move(const v1::TableShare& table) {
  const auto now = static_cast<double>(table.now().bytes());
  const auto planned = static_cast<double>(table.planned().bytes());
  return absl::StrCat(planned < now ? "-" : "+",
                      FormatBytes(planned < now ? now - planned : planned - now));
}

Json OutcomeJson(const v1::ShareOutcome& outcome, double fetches_per_second) {
  return {{"ram_bytes", outcome.bytes()},
          {"hit_ratio", outcome.hit_ratio()},
          {"reads_per_fetch", outcome.reads_per_fetch()},
          {"reads_per_second", outcome.reads_per_fetch() * fetches_per_second},
          {"stall_us_per_fetch", outcome.stall_us()}};
}

}  // namespace

void PrintPlan(const v1::RebalancePlan& plan, std::ostream& out) {
  TextTable text({{"TABLE"},
                  {"BY"},
                  {"RAM NOW", true},
                  {"PLANNED", true},
                  {"MOVES", true},
                  {"HIT RATIO %", true},
                  {"READS A FETCH", true},
                  {"READS/S", true},
                  {"STALL A FETCH US", true}});
  for (const v1::TableShare& table : plan.tables()) {
    const double rate = table.fetches_per_second();
    const v1::ShareOutcome& now = table.now();
    const v1::ShareOutcome& planned = table.planned();
    text.AddRow({Describe(table.identity()), BasisName(table.basis()), Bytes(now.bytes()),
                 Bytes(planned.bytes()), Move(table),
                 Change(table, 1, 100 * now.hit_ratio(), 100 * planned.hit_ratio()),
                 Change(table, 2, now.reads_per_fetch(), planned.reads_per_fetch()),
                 Change(table, 0, rate * now.reads_per_fetch(), rate * planned.reads_per_fetch()),
                 Change(table, 1, now.stall_us(), planned.stall_us())});
  }
  text.Print(out);
  if (!plan.worthwhile()) {
    out << "no other shares than the present ones would save 2 % of stall and reads\n";
  }
  out << (plan.bytes_to_move() > 0 ? absl::StrCat("to move: ", Bytes(plan.bytes_to_move()))
                                   : "nothing to move")
      << "\n";
}

Json RebalanceJson(const v1::RebalancePlan& plan, const v1::RebalanceProgress& last, bool dry_run) {
  Json json = {{"dry_run", dry_run},
               {"budget_bytes", plan.budget_bytes()},
               {"worthwhile", plan.worthwhile()},
               {"bytes_to_move", plan.bytes_to_move()},
               {"bytes_moved", last.bytes_moved()},
               {"tables", Json::array()}};
  for (const v1::TableShare& table : plan.tables()) {
    Json entry = ToJson(table.identity());
    entry["basis"] = BasisName(table.basis());
    entry["window_us"] = table.window_us();
    entry["sampled_uses"] = table.sampled_uses();
    entry["fetches_per_second"] = table.fetches_per_second();
    entry["measured_hit_ratio"] = table.measured_hit_ratio();
    entry["now"] = OutcomeJson(table.now(), table.fetches_per_second());
    entry["planned"] = OutcomeJson(table.planned(), table.fetches_per_second());
    json["tables"].push_back(std::move(entry));
  }
  return json;
}

}  // namespace engram::ctl
