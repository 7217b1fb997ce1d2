#include "tests/storage/ram/ram_testing.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <numeric>
#include <utility>

#include "storage/placement/reuse_policy.h"

namespace engram::storage {
namespace {

constexpr std::byte kUntouched{0xA5};

uint64_t Mix(uint64_t value) {
  value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9u;
  value = (value ^ (value >> 27)) * 0x94D049BB133111EBu;
  return value ^ (value >> 31);
}

}  // namespace

TableSpec MakeSpec(uint64_t rows, uint32_t row_bytes, uint32_t group_size) {
  TableSpec spec;
  spec.rows = rows;
  spec.row_bytes = row_bytes;
  spec.group_size = group_size;
  return spec;
}

std::vector<std::byte> MakeRows(const TableSpec& spec, absl::Span<const RowId> ids) {
  std::vector<std::byte> rows(ids.size() * spec.row_bytes);
  for (size_t i = 0; i < ids.size(); ++i) {
    std::byte* row = rows.data() + i * spec.row_bytes;
    for (uint32_t at = 0; at < spec.row_bytes; at += 8) {
      const uint64_t word = Mix(uint64_t{ids[i]} << 20 | at);
      std::memcpy(row + at, &word, std::min<size_t>(8, spec.row_bytes - at));
    }
  }
  return rows;
}

std::vector<RowId> GroupIds(const TableSpec& spec, absl::Span<const uint64_t> groups) {
  std::vector<RowId> ids;
  for (const uint64_t group : groups) {
    for (uint32_t head = 0; head < spec.group_size; ++head) {
      // Single rows must not collide, or two groups were one.
      const uint64_t place = spec.group_size == 1 ? group : Mix(group * kMaxGroupSize + head);
      ids.push_back(static_cast<RowId>(place % spec.rows));
    }
  }
  return ids;
}

std::vector<uint64_t> Range(uint64_t first, size_t count) {
  std::vector<uint64_t> groups(count);
  std::iota(groups.begin(), groups.end(), first);
  return groups;
}

void AdmitGroups(RamTier& tier, const TableSpec& spec, absl::Span<const uint64_t> groups) {
  const std::vector<RowId> ids = GroupIds(spec, groups);
  std::vector<uint32_t> indices(groups.size());
  std::iota(indices.begin(), indices.end(), 0u);
  tier.Admit(ids, MakeRows(spec, ids).data(), indices);
}

size_t LookUpGroups(RamTier& tier, const TableSpec& spec, absl::Span<const uint64_t> groups) {
  const std::vector<RowId> ids = GroupIds(spec, groups);
  std::vector<std::byte> expected = MakeRows(spec, ids);
  std::vector<std::byte> rows(expected.size(), kUntouched);
  std::vector<uint32_t> misses;
  tier.Lookup(ids, rows.data(), &misses);
  for (const uint32_t group : misses) {
    std::fill_n(expected.begin() + static_cast<ptrdiff_t>(group * spec.group_bytes()),
                spec.group_bytes(), kUntouched);
  }
  EXPECT_TRUE(rows == expected);
  EXPECT_TRUE(std::is_sorted(misses.begin(), misses.end()));
  EXPECT_EQ(std::adjacent_find(misses.begin(), misses.end()), misses.end());
  EXPECT_TRUE(misses.empty() || misses.back() < groups.size());
  return groups.size() - misses.size();
}

std::unique_ptr<GroupCache> MakeCache(const TableSpec& spec, uint64_t budget_bytes,
                                      const GroupCacheOptions& options) {
  return MakeCache(spec, std::make_shared<RamShares>(std::make_shared<ByteBudget>(budget_bytes)),
                   options);
}

std::unique_ptr<GroupCache> MakeCache(const TableSpec& spec, std::shared_ptr<RamShares> shares,
                                      const GroupCacheOptions& options) {
  return std::make_unique<GroupCache>(spec, std::move(shares),
                                      std::make_unique<ReusePolicy>(ReusePolicyOptions{}), options);
}

}  // namespace engram::storage
