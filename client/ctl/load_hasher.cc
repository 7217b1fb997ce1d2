#include "client/ctl/load_hasher.h"

#include <CLI/CLI.hpp>
#include <cstdint>
#include <filesystem>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/ctl/exit_code.h"
#include "client/hash/hash_config.h"
#include "client/hash/token_map.h"

namespace engram::ctl {

void AddHasherOptions(CLI::App& app, HasherOptions& options) {
  app.add_option("--config", options.config,
                 "The model's config.json, or the directory that holds it")
      ->type_name("FILE")
      ->required();
  app.add_option("--token-map", options.token_map,
                 "Compressed ids of token ids, .u32 or .u32.zst; default: hashed as they are")
      ->type_name("FILE");
}

absl::StatusOr<NgramHasher> LoadHasher(const std::string& config_path,
                                       const std::string& token_map_path) {
  std::error_code error;
  const std::string path = std::filesystem::is_directory(config_path, error)
                               ? absl::StrCat(config_path, "/config.json")
                               : config_path;
  const absl::StatusOr<HashConfig> config = LoadHashConfig(path);
  if (!config.ok()) return AsInputError(config.status());
  absl::StatusOr<std::vector<uint32_t>> map =
      token_map_path.empty() ? IdentityTokenMap(config->vocab_size) : LoadTokenMap(token_map_path);
  if (!map.ok()) return AsInputError(map.status());
  absl::StatusOr<NgramHasher> hasher = NgramHasher::Create(*config, *std::move(map));
  if (!hasher.ok()) {
    const std::string files =
        token_map_path.empty() ? path : absl::StrCat(path, " with ", token_map_path);
    return absl::Status(hasher.status().code(),
                        absl::StrCat(files, ": ", hasher.status().message()));
  }
  return hasher;
}

}  // namespace engram::ctl
