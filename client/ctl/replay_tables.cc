#include "client/ctl/replay_tables.h"

#include <cstddef>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/types/span.h"
#include "client/ctl/table_names.h"

namespace engram::ctl {
namespace {

absl::Status CheckShape(const Table& table, const LayerHash& layer, size_t heads) {
  const TableSpec& spec = table.spec();
  if (spec.rows != layer.rows) {
    return absl::FailedPreconditionError(
        absl::StrCat(table.name(), " has ", spec.rows, " rows, but the config's layer ",
                     layer.layer_id, " has ", layer.rows, ": they are of different models"));
  }
  if (spec.group_size != heads) {
    return absl::FailedPreconditionError(
        absl::StrCat(table.name(), " has groups of ", spec.group_size, ", but the config hashes ",
                     heads, " heads: import it with --group-size ", heads));
  }
  return absl::OkStatus();
}

// Learns from row 0 what the table's seed is.
absl::StatusOr<SelfDescribingKey> ReadKey(Table& table, uint32_t layer) {
  const TableSpec& spec = table.spec();
  const std::vector<uint32_t> ids(spec.group_size, 0);
  std::vector<std::byte> rows(ids.size() * spec.row_bytes);
  if (absl::Status status = table.Fetch(ids, absl::MakeSpan(rows)); !status.ok()) return status;
  const auto header =
      ReadSelfDescribingHeader(absl::MakeConstSpan(rows).subspan(0, spec.row_bytes));
  if (!header.has_value()) {
    return absl::FailedPreconditionError(
        absl::StrCat("the rows of ", table.name(),
                     " do not describe themselves, so that nothing "
                     "can be checked: replay with --no-check"));
  }
  return SelfDescribingKey{.layer = layer, .seed = header->key.seed};
}

}  // namespace

absl::StatusOr<std::string> FindPrefix(const v1::ListTablesResponse& tables,
                                       const NgramHasher& hasher) {
  std::map<std::string, std::set<uint32_t>> layers_of;
  for (const v1::TableInfo& info : tables.tables()) {
    const std::optional<LayerTable> table = ParseLayerTableName(info.identity().name());
    if (info.published() && table.has_value()) layers_of[table->prefix].insert(table->layer);
  }
  std::vector<std::string> prefixes;
  for (const auto& [prefix, layers] : layers_of) {
    bool all = true;
    for (const LayerHash& layer : hasher.layers()) all = all && layers.contains(layer.layer_id);
    if (all) prefixes.push_back(prefix);
  }
  if (prefixes.size() == 1) return prefixes.front();
  if (prefixes.empty()) {
    const std::string wanted =
        absl::StrJoin(hasher.layers(), ", ", [](std::string* out, const LayerHash& layer) {
          absl::StrAppend(out, LayerTableName("<name>", layer.layer_id));
        });
    return absl::InvalidArgumentError(
        absl::StrCat("no published tables serve the config's layers: wanted ", wanted));
  }
  return absl::InvalidArgumentError(
      absl::StrCat("several models serve the config's layers: choose one with --name ",
                   absl::StrJoin(prefixes, " or --name ")));
}

absl::StatusOr<std::vector<ReplayTable>> OpenReplayTables(Client& client, const std::string& prefix,
                                                          const NgramHasher& hasher, bool check) {
  std::vector<ReplayTable> tables;
  for (const LayerHash& layer : hasher.layers()) {
    auto table = client.OpenTable(LayerTableName(prefix, layer.layer_id));
    if (!table.ok()) return table.status();
    if (absl::Status status = CheckShape(**table, layer, hasher.heads()); !status.ok()) {
      return status;
    }
    ReplayTable& opened = tables.emplace_back();
    opened.table = *std::move(table);
    if (!check) continue;
    const absl::StatusOr<SelfDescribingKey> key = ReadKey(*opened.table, layer.layer_id);
    if (!key.ok()) return key.status();
    opened.key = *key;
  }
  return tables;
}

}  // namespace engram::ctl
