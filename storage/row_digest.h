// The digest of a table, computed as its rows stream by.
#ifndef ENGRAM_STORAGE_ROW_DIGEST_H_
#define ENGRAM_STORAGE_ROW_DIGEST_H_

#include <cstddef>
#include <memory>

#include "absl/types/span.h"
#include "storage/table_spec.h"

struct XXH3_state_s;

namespace engram::storage {

// XXH3-128 over all rows in id order: what `xxhsum -H2` prints for a file of the packed rows.
class RowDigest {
 public:
  RowDigest();

  void Update(absl::Span<const std::byte> rows);
  Digest Finish() const;

 private:
  struct FreeState {
    void operator()(XXH3_state_s* state) const;
  };
  std::unique_ptr<XXH3_state_s, FreeState> state_;
};

}  // namespace engram::storage

#endif  // ENGRAM_STORAGE_ROW_DIGEST_H_
