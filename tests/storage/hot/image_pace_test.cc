// Goal: images take no more of the disk than they were given.
#include "storage/hot/image_pace.h"

#include <gtest/gtest.h>

namespace engram::storage {
namespace {

const absl::Time kNow = absl::FromUnixSeconds(1'000'000);

TEST(ImagePaceTest, TheFirstImageBeginsAtOnce) {
  EXPECT_LT(ImagePace(1'000'000).NextBegin(), kNow);
}

TEST(ImagePaceTest, AnImageIsWrittenAtFourTimesTheRate) {
  ImagePace pace(1'000'000);
  pace.Begin(kNow);
  EXPECT_EQ(pace.NextWrite(0), kNow);
  EXPECT_EQ(pace.NextWrite(8'000'000), kNow + absl::Seconds(2));
  pace.Begin(kNow + absl::Seconds(100));
  EXPECT_EQ(pace.NextWrite(2'000'000), kNow + absl::Seconds(100.5));
}

TEST(ImagePaceTest, ThePauseIsAsLongAsTheRateTakes) {
  ImagePace pace(1'000'000);
  pace.Begin(kNow);
  pace.End(kNow + absl::Seconds(2), 8'000'000);
  EXPECT_EQ(pace.NextBegin(), kNow + absl::Seconds(10));
}

}  // namespace
}  // namespace engram::storage
