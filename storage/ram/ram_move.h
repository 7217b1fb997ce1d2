// Memory on its way from caches that have too much to others, at once but in small pieces.
#ifndef ENGRAM_STORAGE_RAM_RAM_MOVE_H_
#define ENGRAM_STORAGE_RAM_RAM_MOVE_H_

#include <cstdint>
#include <vector>

#include "absl/time/time.h"
#include "storage/ram/ram_shares.h"

namespace engram::storage {

// Makes the targets the fair shares, and has caches above theirs give back what others take: at
// each step no more than one piece, and none while a piece lies free, so that readers do not notice
// and no memory is idle. While it lives, no cache takes more than its fair share.
//
// It is over when no cache is above its share by a step of its memory, or when for ten seconds
// nobody wanted what is free; then the rest follows as traffic asks for it. One at a time of the
// same shares. Not thread-safe.
class RamMove {
 public:
  // Between steps: at most some 400 MB/s are moved.
  static constexpr absl::Duration kPeriod = absl::Milliseconds(10);
  static constexpr uint64_t kPieceBytes = uint64_t{4} << 20;
  static constexpr absl::Duration kPatience = absl::Seconds(10);

  // The shares of the targets live as long as this.
  RamMove(RamShares* shares, std::vector<RamShares::Target> targets);
  ~RamMove();
  RamMove(const RamMove&) = delete;
  RamMove& operator=(const RamMove&) = delete;

  // Moves a piece. Returns whether there may be more to do. `now` never goes back.
  bool Step(absl::Time now);

  // Leaves everything as it is now: what the caches hold is their fair share.
  void Cancel();

  uint64_t bytes_to_move() const { return bytes_to_move_; }
  uint64_t bytes_moved() const { return bytes_moved_; }

 private:
  RamShares* const shares_;
  std::vector<RamShares::Target> targets_;
  uint64_t bytes_to_move_ = 0;
  uint64_t bytes_moved_ = 0;
  absl::Time last_progress_ = absl::InfinitePast();
};

}  // namespace engram::storage

#endif  // ENGRAM_STORAGE_RAM_RAM_MOVE_H_
