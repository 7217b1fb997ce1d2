#include "client/checkpoint/self_describing.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace engram {
namespace {

static_assert(std::endian::native == std::endian::little, "words are stored as they lie in memory");

constexpr size_t kWordBytes = sizeof(uint64_t);
constexpr size_t kHeaderBytes = 2 * kWordBytes;
constexpr uint32_t kMagic = 0x574F5245;  // "EROW"

// The finalizer of MurmurHash3 with the constants of splitmix64: every input bit reaches every
// output bit.
constexpr uint64_t Mix(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
  return x ^ (x >> 31);
}

constexpr uint64_t TableState(const SelfDescribingKey& key) {
  return Mix((uint64_t{key.seed} << 32 | key.layer) + 0x9E3779B97F4A7C15u);
}

// The words of one row, each computed from its position alone.
class RowWords {
 public:
  RowWords(const SelfDescribingKey& key, uint64_t table_state, uint32_t row_id)
      : header_{uint64_t{key.layer} << 32 | row_id, uint64_t{kMagic} << 32 | key.seed},
        state_(Mix(table_state + row_id)) {}

  uint64_t operator[](size_t i) const { return i < 2 ? header_[i] : Body(i); }

  // As operator[], for i >= 2.
  uint64_t Body(size_t i) const { return Mix(state_ + i * 0x9E3779B97F4A7C15u); }

 private:
  uint64_t header_[2];
  uint64_t state_;
};

void FillWords(const RowWords& words, size_t first_word, absl::Span<std::byte> out) {
  const size_t whole = out.size() / kWordBytes;
  for (size_t i = 0; i < whole; ++i) {
    const uint64_t word = words[first_word + i];
    std::memcpy(out.data() + i * kWordBytes, &word, kWordBytes);
  }
  const size_t rest = out.size() % kWordBytes;
  if (rest > 0) {
    const uint64_t word = words[first_word + whole];
    std::memcpy(out.data() + whole * kWordBytes, &word, rest);
  }
}

// No branch per word: the mixes of a row overlap in the pipeline.
bool RowMatches(const RowWords& words, const std::byte* row, size_t row_bytes) {
  const size_t whole = row_bytes / kWordBytes;
  uint64_t difference = 0;
  for (size_t i = 0; i < std::min<size_t>(whole, 2); ++i) {
    uint64_t word;
    std::memcpy(&word, row + i * kWordBytes, kWordBytes);
    difference |= word ^ words[i];
  }
  for (size_t i = 2; i < whole; ++i) {
    uint64_t word;
    std::memcpy(&word, row + i * kWordBytes, kWordBytes);
    difference |= word ^ words.Body(i);
  }
  const size_t rest = row_bytes % kWordBytes;
  if (rest > 0) {
    const uint64_t word = words[whole];
    difference |= static_cast<uint64_t>(std::memcmp(row + whole * kWordBytes, &word, rest) != 0);
  }
  return difference == 0;
}

std::string DescribeRow(absl::Span<const std::byte> row) {
  const std::optional<SelfDescribingHeader> header = ReadSelfDescribingHeader(row);
  if (!header.has_value()) {
    return "the bytes there do not begin like a self-describing row";
  }
  return absl::StrCat("the bytes there begin like row ", header->row_id, " of layer ",
                      header->key.layer, ", seed ", header->key.seed);
}

absl::Status WrongRow(const SelfDescribingKey& key, const RowWords& words, uint32_t row_id,
                      size_t index, absl::Span<const std::byte> row) {
  size_t byte = 0;
  unsigned expected = 0;
  for (; byte < row.size(); ++byte) {
    expected = static_cast<unsigned>(words[byte / kWordBytes] >> (8 * (byte % kWordBytes))) & 0xFFu;
    if (std::to_integer<unsigned>(row[byte]) != expected) break;
  }
  return absl::DataLossError(absl::StrFormat(
      "row %u of layer %u, seed %u (index %u) is wrong at byte %u: 0x%02x instead of 0x%02x; %s",
      row_id, key.layer, key.seed, index, byte, std::to_integer<unsigned>(row[byte]), expected,
      DescribeRow(row)));
}

}  // namespace

void FillSelfDescribingRow(const SelfDescribingKey& key, uint32_t row_id,
                           absl::Span<std::byte> row) {
  FillWords(RowWords(key, TableState(key), row_id), 0, row);
}

void FillSelfDescribingPlane(const SelfDescribingKey& key, uint32_t first_row, size_t first_byte,
                             size_t width, absl::Span<std::byte> plane) {
  const uint64_t table_state = TableState(key);
  const size_t count = plane.size() / width;
  for (size_t i = 0; i < count; ++i) {
    const RowWords words(key, table_state, first_row + static_cast<uint32_t>(i));
    FillWords(words, first_byte / kWordBytes, plane.subspan(i * width, width));
  }
}

std::optional<SelfDescribingHeader> ReadSelfDescribingHeader(absl::Span<const std::byte> row) {
  if (row.size() < kHeaderBytes) return std::nullopt;
  uint32_t fields[4];  // row id, layer, seed, magic
  static_assert(sizeof(fields) == kHeaderBytes);
  std::memcpy(fields, row.data(), kHeaderBytes);
  if (fields[3] != kMagic) return std::nullopt;
  return SelfDescribingHeader{.key = {.layer = fields[1], .seed = fields[2]}, .row_id = fields[0]};
}

absl::Status CheckSelfDescribingRows(const SelfDescribingKey& key,
                                     absl::Span<const uint32_t> row_ids,
                                     absl::Span<const std::byte> rows, size_t row_bytes) {
  if (row_bytes == 0 || rows.size() != row_ids.size() * row_bytes) {
    return absl::InvalidArgumentError(absl::StrCat(rows.size(), " bytes cannot be ", row_ids.size(),
                                                   " rows of ", row_bytes, " bytes"));
  }
  const uint64_t table_state = TableState(key);
  for (size_t i = 0; i < row_ids.size(); ++i) {
    const RowWords words(key, table_state, row_ids[i]);
    const absl::Span<const std::byte> row = rows.subspan(i * row_bytes, row_bytes);
    if (!RowMatches(words, row.data(), row_bytes)) {
      return WrongRow(key, words, row_ids[i], i, row);
    }
  }
  return absl::OkStatus();
}

}  // namespace engram
