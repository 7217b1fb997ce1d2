// The hash that finds a group.
#ifndef ENGRAM_STORAGE_RAM_GROUP_HASH_H_
#define ENGRAM_STORAGE_RAM_GROUP_HASH_H_

#ifndef XXH_INLINE_ALL
#define XXH_INLINE_ALL
#endif
#include <xxhash.h>

#include <cstddef>
#include <cstdint>

#include "storage/table_spec.h"

namespace engram::storage {

// Of all row ids of the group; it finds, but does not name.
inline uint64_t HashGroup(const RowId* ids, size_t id_bytes, uint64_t seed) {
  return XXH3_64bits_withSeed(ids, id_bytes, seed);
}

}  // namespace engram::storage

#endif  // ENGRAM_STORAGE_RAM_GROUP_HASH_H_
