// The warm tier that a table version has at the moment.
#ifndef ENGRAM_STORAGE_WARM_CURRENT_WARM_TIER_H_
#define ENGRAM_STORAGE_WARM_CURRENT_WARM_TIER_H_

#include <cstdint>
#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "storage/placement/lower_tier.h"
#include "storage/warm/warm_tier.h"

namespace engram::storage {

// There may be no tier, and it may be replaced while others use it: whoever reads from it holds the
// reference that Get returned for that long, and no longer. Passes on to it what the cache above
// tells. Thread-safe: locked for the copy of a pointer, and never together with the tier.
class CurrentWarmTier final : public LowerTier {
 public:
  // uid: of the table version
  explicit CurrentWarmTier(uint64_t uid = 0) : uid_(uid) {}

  uint64_t uid() const { return uid_; }

  // Null if there is none. Find, Read and CollectRoom are what it is for.
  std::shared_ptr<WarmTier> Get() const ABSL_LOCKS_EXCLUDED(mutex_);

  // Returns the tier before. Once its other users have let go of it there will be no more of them.
  // Is called by one thread at a time.
  std::shared_ptr<WarmTier> Replace(std::shared_ptr<WarmTier> tier) ABSL_LOCKS_EXCLUDED(mutex_);

  void OnEnter(const GroupKey& group, uint8_t told_uses) override;
  void OnLeave(const GroupKey& group, uint8_t uses, const RowId* ids,
               const std::byte* rows) override;

  // What is held now; all that is counted is of the tiers before as well.
  WarmTierStats Stats() const ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  const uint64_t uid_;
  mutable absl::Mutex mutex_;
  std::shared_ptr<WarmTier> tier_ ABSL_GUARDED_BY(mutex_);
  WarmTierStats before_ ABSL_GUARDED_BY(mutex_);  // of the tiers before: holds nothing
};

}  // namespace engram::storage

#endif  // ENGRAM_STORAGE_WARM_CURRENT_WARM_TIER_H_
