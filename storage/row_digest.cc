#include "storage/row_digest.h"

#include <xxhash.h>

#include <cstring>
#include <new>

namespace engram::storage {

void RowDigest::FreeState::operator()(XXH3_state_s* state) const { XXH3_freeState(state); }

RowDigest::RowDigest() : state_(XXH3_createState()) {
  if (state_ == nullptr) {
    throw std::bad_alloc();
  }
  XXH3_128bits_reset(state_.get());
}

void RowDigest::Update(absl::Span<const std::byte> rows) {
  XXH3_128bits_update(state_.get(), rows.data(), rows.size());
}

Digest RowDigest::Finish() const {
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(state_.get()));
  Digest digest;
  static_assert(sizeof(canonical.digest) == sizeof(digest.bytes));
  std::memcpy(digest.bytes.data(), canonical.digest, sizeof(canonical.digest));
  return digest;
}

}  // namespace engram::storage
