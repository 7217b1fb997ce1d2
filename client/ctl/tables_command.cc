#include "absl/strings/escaping.h"
#include "absl/strings/str_join.h"
#include "client/ctl/commands.h"
#include "client/ctl/connection.h"
#include "client/ctl/json_output.h"
#include "client/ctl/table_names.h"
#include "client/ctl/text_table.h"
#include "client/ctl/units.h"

namespace engram::ctl {
namespace {

constexpr size_t kDigestDigits = 12;

void PrintTables(const v1::ListTablesResponse& response, std::ostream& out) {
  if (response.tables().empty()) {
    out << "no tables; see engramctl import --help\n";
    return;
  }
  TextTable text({{"NAME"},
                  {"VERSION", true},
                  {"PUBLISHED"},
                  {"ROWS", true},
                  {"ROW BYTES", true},
                  {"FORMAT"},
                  {"GROUP", true},
                  {"ORDERS"},
                  {"DISK", true},
                  {"IMPORTED"},
                  {"DIGEST"}});
  for (const v1::TableInfo& info : response.tables()) {
    const v1::TableSpec& spec = info.spec();
    const std::string digest = absl::BytesToHexString(info.identity().digest());
    text.AddRow({info.identity().name(), FormatCount(info.identity().version()),
                 info.published() ? "yes" : "no", FormatCount(spec.rows()),
                 FormatCount(spec.row_bytes()), FormatName(spec.value_format()),
                 FormatCount(spec.group_size()),
                 spec.orders().empty() ? "-" : absl::StrJoin(spec.orders(), ","),
                 FormatBytes(static_cast<double>(info.disk_bytes())),
                 FormatUnixTime(info.imported_unix_seconds()), digest.substr(0, kDigestDigits)});
  }
  text.Print(out);
}

absl::Status RunTables(const CommandContext& context) {
  Connection connection(context.address);
  const auto response = connection.Call(&Connection::Stub::ListTables, v1::ListTablesRequest());
  if (!response.ok()) return response.status();
  if (context.json) {
    Json json = {{"tables", Json::array()}};
    for (const v1::TableInfo& info : response->tables()) json["tables"].push_back(ToJson(info));
    PrintJson(json, context.console.out);
  } else {
    PrintTables(*response, context.console.out);
  }
  return absl::OkStatus();
}

}  // namespace

void AddTablesCommand(CommandLine& line) {
  line.AddCommand({.name = "tables",
                   .summary = "List every version of every table",
                   .example = "engramctl tables --json | jq '.tables[].name'"},
                  RunTables);
}

}  // namespace engram::ctl
