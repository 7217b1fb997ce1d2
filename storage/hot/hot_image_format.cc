#include "storage/hot/hot_image_format.h"

#include <xxhash.h>

namespace engram::storage::hot_image {

uint64_t ChecksumOf(const Header& header) {
  return XXH3_64bits(&header, offsetof(Header, checksum));
}

uint64_t ChecksumOfBlock(uint64_t salt, uint64_t block, absl::Span<const std::byte> content) {
  return XXH3_64bits_withSeed(content.data(), content.size(), salt + block);
}

// Another seed than any block's, so that none is taken for the end.
uint64_t ChecksumOfEnd(uint64_t salt, uint64_t groups) {
  return XXH3_64bits_withSeed(&groups, sizeof(groups), ~salt);
}

}  // namespace engram::storage::hot_image
