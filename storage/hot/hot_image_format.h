// The parts of a hot image, as its writer and its reader see them. Format: storage/README.md.
#ifndef ENGRAM_STORAGE_HOT_HOT_IMAGE_FORMAT_H_
#define ENGRAM_STORAGE_HOT_HOT_IMAGE_FORMAT_H_

#include <cstddef>
#include <cstdint>

#include "absl/types/span.h"
#include "storage/table_spec.h"

namespace engram::storage::hot_image {

inline constexpr char kMagic[] = {'E', 'N', 'G', 'R', 'R', 'O', 'W', '\n'};

struct Header {
  char magic[sizeof(kMagic)];
  uint32_t version;
  uint32_t group_size;
  uint64_t uid;
  uint8_t digest[sizeof(Digest::bytes)];
  uint32_t row_bytes;
  uint32_t groups_of_block;  // of each but the last
  uint64_t stamp;
  uint64_t checksum;  // of all before it
};
static_assert(sizeof(Header) == 64);

// A block is a checksum of 8 bytes and the groups' row ids and rows.
inline constexpr size_t kBlockHeadBytes = sizeof(uint64_t);

struct EndMark {
  uint64_t groups;
  uint64_t checksum;
};
static_assert(sizeof(EndMark) == 16);

inline size_t BlockBytes(size_t groups, size_t group_bytes) {
  return kBlockHeadBytes + groups * group_bytes;
}

// salt: the header's checksum
uint64_t ChecksumOf(const Header& header);
uint64_t ChecksumOfBlock(uint64_t salt, uint64_t block, absl::Span<const std::byte> content);
uint64_t ChecksumOfEnd(uint64_t salt, uint64_t groups);

template <typename T>
absl::Span<const std::byte> BytesOf(const T& value) {
  return {reinterpret_cast<const std::byte*>(&value), sizeof(value)};
}

template <typename T>
absl::Span<std::byte> BytesOf(T& value) {
  return {reinterpret_cast<std::byte*>(&value), sizeof(value)};
}

}  // namespace engram::storage::hot_image

#endif  // ENGRAM_STORAGE_HOT_HOT_IMAGE_FORMAT_H_
