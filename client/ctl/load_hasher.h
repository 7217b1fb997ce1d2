// The hasher of a model, from the files that its users have.
#ifndef ENGRAM_CLIENT_CTL_LOAD_HASHER_H_
#define ENGRAM_CLIENT_CTL_LOAD_HASHER_H_

#include <string>

#include "absl/status/statusor.h"
#include "client/hash/ngram_hasher.h"

namespace CLI {
class App;
}

namespace engram::ctl {

struct HasherOptions {
  std::string config;     // as LoadHasher's config_path
  std::string token_map;  // as its token_map_path
};

// Adds both options; the config is required.
void AddHasherOptions(CLI::App& app, HasherOptions& options);

// config_path: a model's config.json, or the directory that holds it
// token_map_path: empty for a model that hashes its token ids as they are
// Returns INVALID_ARGUMENT, NOT_FOUND, PERMISSION_DENIED, with the path in the message.
absl::StatusOr<NgramHasher> LoadHasher(const std::string& config_path,
                                       const std::string& token_map_path);

}  // namespace engram::ctl

#endif  // ENGRAM_CLIENT_CTL_LOAD_HASHER_H_
