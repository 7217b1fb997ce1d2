// Self-describing rows, and shorthands for the RAM tier's tests.
#ifndef ENGRAM_TESTS_STORAGE_RAM_RAM_TESTING_H_
#define ENGRAM_TESTS_STORAGE_RAM_RAM_TESTING_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/types/span.h"
#include "storage/ram/group_cache.h"
#include "storage/ram/ram_tier.h"
#include "storage/table_spec.h"

namespace engram::storage {

// Sanitizers make everything an order of magnitude slower: long tests do fewer rounds then.
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = false;
#endif

// A table of the given shape; its rows exist only in MakeRows.
TableSpec MakeSpec(uint64_t rows, uint32_t row_bytes, uint32_t group_size);

// The rows of the ids, side by side. Every byte depends on the row and on its place.
std::vector<std::byte> MakeRows(const TableSpec& spec, absl::Span<const RowId> ids);

// The row ids of made-up n-grams: group g's ids are a function of g, spread over the table.
std::vector<RowId> GroupIds(const TableSpec& spec, absl::Span<const uint64_t> groups);

// first, first + 1, ...
std::vector<uint64_t> Range(uint64_t first, size_t count);

// Offers all of these groups.
void AdmitGroups(RamTier& tier, const TableSpec& spec, absl::Span<const uint64_t> groups);

// Looks the groups up, expects every byte of the hits to be right, every byte of the misses to be
// left alone, and the misses to ascend. Returns how many were hits.
size_t LookUpGroups(RamTier& tier, const TableSpec& spec, absl::Span<const uint64_t> groups);

// A cache with the default policy and a budget of its own.
std::unique_ptr<GroupCache> MakeCache(const TableSpec& spec, uint64_t budget_bytes,
                                      const GroupCacheOptions& options = {});
// One that shares a budget.
std::unique_ptr<GroupCache> MakeCache(const TableSpec& spec, std::shared_ptr<RamShares> shares,
                                      const GroupCacheOptions& options = {});

}  // namespace engram::storage

#endif  // ENGRAM_TESTS_STORAGE_RAM_RAM_TESTING_H_
