// How fast images are written.
#ifndef ENGRAM_STORAGE_HOT_IMAGE_PACE_H_
#define ENGRAM_STORAGE_HOT_IMAGE_PACE_H_

#include <cstdint>

#include "absl/time/time.h"

namespace engram::storage {

// Keeps the writes of images to a rate: each is followed by a pause that lasts as long as the rate
// alone would have taken for it, and while one is written, it is at four times the rate at most, so
// that what it was made from does not age. Knows no clock. For one thread at a time.
class ImagePace {
 public:
  // bytes_per_s: above 0
  explicit ImagePace(uint64_t bytes_per_s) : bytes_per_s_(static_cast<double>(bytes_per_s)) {}

  // When the next image may begin.
  absl::Time NextBegin() const { return next_begin_; }

  void Begin(absl::Time now) { begin_ = now; }

  // When an image that has grown to so many bytes may grow further.
  absl::Time NextWrite(uint64_t bytes) const { return begin_ + TimeOf(bytes) / kBurst; }

  // The image is over, whatever became of it, after so many bytes.
  void End(absl::Time now, uint64_t bytes) { next_begin_ = now + TimeOf(bytes); }

 private:
  static constexpr double kBurst = 4;

  absl::Duration TimeOf(uint64_t bytes) const {
    return absl::Seconds(static_cast<double>(bytes) / bytes_per_s_);
  }

  const double bytes_per_s_;
  absl::Time begin_ = absl::InfinitePast();
  absl::Time next_begin_ = absl::InfinitePast();
};

}  // namespace engram::storage

#endif  // ENGRAM_STORAGE_HOT_IMAGE_PACE_H_
