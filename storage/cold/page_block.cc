#include "storage/cold/page_block.h"

#include <xxhash.h>

#include <array>
#include <bit>
#include <cstring>

namespace engram::storage {
namespace {

static_assert(std::endian::native == std::endian::little, "blocks are compared as they are");

// What follows the user's key: sequence number 0, which ingested files have, and type "value".
constexpr std::array<uint8_t, 8> kKeyTrailer = {1, 0, 0, 0, 0, 0, 0, 0};
// The offsets of all restart points, and how many there are.
constexpr std::array<uint32_t, 2> kRestarts = {0, 1};
constexpr size_t kChecksumBytes = 4;
constexpr uint8_t kNotCompressed = 0;

// Everything of the block's entry that is before its value.
struct EntryHead {
  std::array<uint8_t, 1 + 1 + 5 + PageKey().size() + kKeyTrailer.size()> bytes;
  size_t size = 0;

  void Append(const void* data, size_t count) {
    std::memcpy(bytes.data() + size, data, count);
    size += count;
  }
  void AppendVarint(size_t value) {
    for (; value >= 128; value >>= 7) {
      bytes[size++] = static_cast<uint8_t>(value | 128);
    }
    bytes[size++] = static_cast<uint8_t>(value);
  }
};

EntryHead MakeHead(uint64_t page, size_t value_bytes) {
  const PageKey key = EncodePageKey(page);
  EntryHead head;
  head.AppendVarint(0);  // bytes shared with the key before
  head.AppendVarint(key.size() + kKeyTrailer.size());
  head.AppendVarint(value_bytes);
  head.Append(key.data(), key.size());
  head.Append(kKeyTrailer.data(), kKeyTrailer.size());
  return head;
}

}  // namespace

absl::Span<const std::byte> RowsOfBlock(const PageLayout& layout, uint64_t page,
                                        absl::Span<const std::byte> block) {
  const size_t value_bytes = size_t{layout.rows_in(page)} * layout.row_bytes;
  const EntryHead head = MakeHead(page, value_bytes);
  const size_t content_bytes = head.size + value_bytes + sizeof(kRestarts);
  if (block.size() < content_bytes + sizeof(kNotCompressed) + kChecksumBytes) {
    return {};
  }
  const std::byte* const type = block.data() + content_bytes;
  uint32_t checksum = 0;
  std::memcpy(&checksum, type + sizeof(kNotCompressed), sizeof(checksum));
  // The checksum would be mixed with the type, were that not 0.
  if (*type != std::byte{kNotCompressed} ||
      std::memcmp(block.data(), head.bytes.data(), head.size) != 0 ||
      std::memcmp(type - sizeof(kRestarts), kRestarts.data(), sizeof(kRestarts)) != 0 ||
      static_cast<uint32_t>(XXH3_64bits(block.data(), content_bytes)) != checksum) {
    return {};
  }
  return block.subspan(head.size, value_bytes);
}

}  // namespace engram::storage
