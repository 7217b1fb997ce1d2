#include "client/hash/token_map.h"

#include <numeric>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "client/hash/hash_config.h"
#include "client/hash/u32_file.h"

namespace engram {

absl::StatusOr<std::vector<uint32_t>> LoadTokenMap(const std::string& path) {
  absl::StatusOr<std::vector<uint32_t>> map = ReadU32File(path, HashConfig::kMaxVocabSize);
  if (map.ok() && map->empty()) {
    return absl::InvalidArgumentError(absl::StrCat(path, " maps no tokens"));
  }
  return map;
}

std::vector<uint32_t> IdentityTokenMap(uint32_t vocab_size) {
  std::vector<uint32_t> map(vocab_size);
  std::iota(map.begin(), map.end(), 0u);
  return map;
}

}  // namespace engram
