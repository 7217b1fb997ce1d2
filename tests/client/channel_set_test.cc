#include "client/channel_set.h"

#include <algorithm>
#include <cmath>

#include "gtest/gtest.h"

namespace engram {
namespace {

TEST(ChannelSet, BackoffDoublesUpToItsMaximum) {
  const auto channels = ChannelSet::Create({.address = "unix:/none",
                                            .min_backoff = absl::Milliseconds(10),
                                            .max_backoff = absl::Milliseconds(75)});
  ASSERT_TRUE(channels.ok()) << channels.status();
  for (int failures = 1; failures <= 100; ++failures) {
    const double full = std::min(75.0, 10 * std::exp2(failures - 1));
    const double millis = absl::ToDoubleMilliseconds((*channels)->Backoff(failures));
    EXPECT_GE(millis, 0.79 * full) << failures;
    EXPECT_LE(millis, full) << failures;
  }
}

TEST(ChannelSet, StubsTakeTurns) {
  const auto channels = ChannelSet::Create({.address = "unix:/none", .connections = 3});
  ASSERT_TRUE(channels.ok()) << channels.status();
  ASSERT_EQ((*channels)->size(), 3u);
  grpc::GenericStub* const first = &(*channels)->Next();
  grpc::GenericStub* const second = &(*channels)->Next();
  grpc::GenericStub* const third = &(*channels)->Next();
  EXPECT_TRUE(first != second && second != third && third != first);
  EXPECT_EQ(&(*channels)->Next(), first);
}

}  // namespace
}  // namespace engram
