#include <CLI/CLI.hpp>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "client/ctl/commands.h"
#include "client/ctl/connect_client.h"
#include "client/ctl/json_output.h"
#include "client/ctl/load_hasher.h"
#include "client/ctl/npy_writer.h"
#include "client/ctl/option_checks.h"
#include "client/ctl/table_names.h"
#include "client/engram_client.h"

namespace engram::ctl {
namespace {

struct FetchCommandOptions {
  std::string table;
  uint64_t version = 0;
  std::vector<uint32_t> ids;
  std::vector<uint32_t> tokens;
  std::string config;
  std::string token_map;
  std::optional<uint32_t> layer;
  std::string npy;
  bool tiers = false;
};

struct FetchedRows {
  std::vector<uint32_t> ids;
  std::vector<std::byte> bytes = {};  // [ids x row_bytes]
  std::vector<Tier> tiers = {};       // [groups]
  size_t row_bytes = 0;
  size_t group_size = 0;

  std::string hex(size_t index) const {
    const char* const row = reinterpret_cast<const char*>(bytes.data()) + index * row_bytes;
    return absl::BytesToHexString({row, row_bytes});
  }
};

// The rows of all the tokens' n-grams.
absl::StatusOr<std::vector<uint32_t>> HashTokens(const FetchCommandOptions& options) {
  const absl::StatusOr<NgramHasher> hasher = LoadHasher(options.config, options.token_map);
  if (!hasher.ok()) return hasher.status();
  const std::optional<LayerTable> named = ParseLayerTableName(options.table);
  if (!options.layer.has_value() && !named.has_value()) {
    return absl::InvalidArgumentError(absl::StrCat(
        options.table, " does not end in /layer<N>: say with --layer which layer's hash to use"));
  }
  const uint32_t layer_id = options.layer.has_value() ? *options.layer : named->layer;
  size_t layer = 0;
  while (layer < hasher->layers().size() && hasher->layers()[layer].layer_id != layer_id) ++layer;
  if (layer == hasher->layers().size()) {
    return absl::InvalidArgumentError(
        absl::StrCat(options.config, " has no Engram layer ", layer_id));
  }
  NgramHistory history = hasher->SegmentStart();
  NgramBatch batch;
  if (absl::Status status = hasher->Append(options.tokens, history, batch); !status.ok()) {
    return status;
  }
  std::vector<uint32_t> ids(batch.positions() * hasher->ids_per_position());
  if (absl::Status status = hasher->Hash(layer, batch, absl::MakeSpan(ids)); !status.ok()) {
    return status;
  }
  return ids;
}

// Fetches whole groups: the last one is filled up with its last id, and cut off again.
absl::StatusOr<FetchedRows> FetchRows(Table& table, std::vector<uint32_t> ids) {
  const TableSpec& spec = table.spec();
  FetchedRows rows{.ids = ids, .row_bytes = spec.row_bytes, .group_size = spec.group_size};
  while (ids.size() % spec.group_size != 0) ids.push_back(ids.back());
  rows.bytes.resize(ids.size() * spec.row_bytes);
  rows.tiers.resize(ids.size() / spec.group_size);
  const absl::Status status =
      table.Fetch(ids, absl::MakeSpan(rows.bytes), {.tiers = absl::MakeSpan(rows.tiers)});
  if (!status.ok()) return status;
  rows.bytes.resize(rows.ids.size() * spec.row_bytes);
  return rows;
}

// "group 0", or for hashed tokens "token 5, 2-gram".
std::string GroupName(const FetchedRows& rows, const FetchCommandOptions& options, size_t group) {
  if (options.tokens.empty()) return absl::StrCat("group ", group);
  const size_t orders = rows.tiers.size() / options.tokens.size();
  return absl::StrCat("token ", options.tokens[group / orders], ", ", 2 + group % orders, "-gram");
}

void PrintText(const FetchedRows& rows, const FetchCommandOptions& options, std::ostream& out) {
  const bool hex = options.npy.empty();
  for (size_t i = 0; i < rows.ids.size(); ++i) {
    if (options.tiers && i % rows.group_size == 0) {
      const size_t group = i / rows.group_size;
      out << "# " << GroupName(rows, options, group) << ": "
          << TierName(static_cast<int>(rows.tiers[group])) << "\n";
    }
    if (hex) out << rows.ids[i] << ": " << rows.hex(i) << "\n";
  }
  if (!hex) {
    out << "wrote " << options.npy << ": " << rows.ids.size() << " rows of " << rows.row_bytes
        << " bytes\n";
  }
}

Json ToJson(const Table& table, const FetchedRows& rows, const FetchCommandOptions& options) {
  Json json = {{"name", table.name()},
               {"version", table.version()},
               {"row_bytes", rows.row_bytes},
               {"rows", Json::array()}};
  for (size_t i = 0; i < rows.ids.size(); ++i) {
    Json row = {{"id", rows.ids[i]}};
    if (options.npy.empty()) row["hex"] = rows.hex(i);
    json["rows"].push_back(std::move(row));
  }
  if (!options.npy.empty()) json["npy"] = options.npy;
  if (options.tiers) {
    json["group_size"] = rows.group_size;
    json["group_tiers"] = Json::array();
    for (const Tier tier : rows.tiers) {
      json["group_tiers"].push_back(TierName(static_cast<int>(tier)));
    }
  }
  return json;
}

absl::Status RunFetch(const CommandContext& context, const FetchCommandOptions& options) {
  absl::StatusOr<std::vector<uint32_t>> ids =
      options.tokens.empty() ? options.ids : HashTokens(options);
  if (!ids.ok()) return ids.status();
  const auto client = ConnectClient(context.address, /*share_memory=*/false);
  if (!client.ok()) return client.status();
  const auto table = (*client)->OpenTable(options.table, options.version);
  if (!table.ok()) return table.status();
  const absl::StatusOr<FetchedRows> rows = FetchRows(**table, *std::move(ids));
  if (!rows.ok()) return rows.status();
  if (!options.npy.empty()) {
    const absl::Status status = WriteNpy(options.npy, rows->bytes, rows->row_bytes);
    if (!status.ok()) return status;
  }
  if (context.json) {
    PrintJson(ToJson(**table, *rows, options), context.console.out);
  } else {
    PrintText(*rows, options, context.console.out);
  }
  return absl::OkStatus();
}

}  // namespace

void AddFetchCommand(CommandLine& line) {
  const auto options = std::make_shared<FetchCommandOptions>();
  CLI::App* const app = line.AddCommand(
      {.name = "fetch",
       .summary = "Fetch rows, by row ids or by the tokens whose n-grams need them",
       .example = "engramctl fetch demo/layer1 --ids 0,1,2,3,4,5,6,7 --tiers\n"
                  "engramctl fetch demo/layer1 --tokens 5,6,7 --config /tmp/v41/config.json"},
      [options](const CommandContext& context) { return RunFetch(context, *options); });
  app->add_option("TABLE", options->table, "The table")->required();
  app->add_option("--version", options->version, "Its version; otherwise the published one")
      ->check(AboveZero())
      ->type_name("N");
  CLI::Option* const ids = app->add_option("--ids", options->ids, "Row ids: 1,2,3")
                               ->delimiter(',')
                               ->check(WholeNumber())
                               ->allow_extra_args(false)
                               ->type_name("N,N,..");
  CLI::Option* const tokens =
      app->add_option("--tokens", options->tokens, "A text's token ids, to be hashed: 5,6,7")
          ->delimiter(',')
          ->check(WholeNumber())
          ->allow_extra_args(false)
          ->type_name("N,N,..");
  CLI::Option* const config =
      app->add_option("--config", options->config, "The model's config.json, for --tokens")
          ->type_name("FILE");
  tokens->needs(config);
  ids->excludes(tokens);
  app->parse_complete_callback([ids, tokens] {
    if (ids->empty() && tokens->empty()) throw CLI::RequiredError("--ids or --tokens");
  });
  app->add_option("--token-map", options->token_map,
                  "Compressed ids of token ids, .u32 or .u32.zst; default: hashed as they are")
      ->type_name("FILE")
      ->needs(tokens);
  app->add_option("--layer", options->layer, "Which layer's hash; default: as TABLE ends")
      ->type_name("N")
      ->needs(tokens);
  app->add_option("--npy", options->npy, "Write the rows to this file instead: uint8 [rows, bytes]")
      ->type_name("FILE");
  app->add_flag("--tiers", options->tiers, "Say from which tier each group came");
}

}  // namespace engram::ctl
