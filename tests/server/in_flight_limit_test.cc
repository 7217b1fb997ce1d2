#include "server/in_flight_limit.h"

#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace engram::server {
namespace {

using testing::HasSubstr;

TEST(InFlightLimitTest, GrantsUpToTheLimitAndNoFurther) {
  const auto limit = std::make_shared<InFlightLimit>(100);
  auto first = limit->Acquire(3, 60);
  ASSERT_TRUE(first.ok());
  auto second = limit->Acquire(2, 40);
  ASSERT_TRUE(second.ok());
  EXPECT_EQ(limit->stats().rows, 5);
  EXPECT_EQ(limit->stats().bytes, 100);

  const auto third = limit->Acquire(1, 1);
  EXPECT_EQ(third.status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(third.status().message()), HasSubstr("limit of 100"));
  EXPECT_EQ(limit->stats().rejected, 1);
}

TEST(InFlightLimitTest, GivesBackWhatAGrantHeld) {
  const auto limit = std::make_shared<InFlightLimit>(100);
  {
    auto grant = limit->Acquire(1, 100);
    ASSERT_TRUE(grant.ok());
    const InFlightLimit::Grant moved = *std::move(grant);
    EXPECT_FALSE(limit->Acquire(1, 1).ok());
  }
  EXPECT_EQ(limit->stats().bytes, 0);
  EXPECT_TRUE(limit->Acquire(1, 100).ok());
}

TEST(InFlightLimitTest, AssigningAGrantKeepsBothUntilTheyEnd) {
  const auto limit = std::make_shared<InFlightLimit>(100);
  InFlightLimit::Grant kept;
  {
    auto grant = limit->Acquire(1, 70);
    ASSERT_TRUE(grant.ok());
    kept = *std::move(grant);
  }
  EXPECT_EQ(limit->stats().bytes, 70);
  kept = InFlightLimit::Grant();
  EXPECT_EQ(limit->stats().bytes, 0);
}

TEST(InFlightLimitTest, AGrantMayOutliveEveryOtherReference) {
  auto limit = std::make_shared<InFlightLimit>(100);
  auto grant = limit->Acquire(1, 70);
  ASSERT_TRUE(grant.ok());
  limit.reset();
  const InFlightLimit::Grant last = *std::move(grant);
}

TEST(InFlightLimitTest, WaitsUntilNothingIsInFlight) {
  const auto limit = std::make_shared<InFlightLimit>(100);
  EXPECT_TRUE(limit->AwaitIdle(absl::ZeroDuration()));
  auto grant = limit->Acquire(1, 10);
  ASSERT_TRUE(grant.ok());
  EXPECT_FALSE(limit->AwaitIdle(absl::ZeroDuration()));
  std::thread release([&] { const InFlightLimit::Grant last = *std::move(grant); });
  EXPECT_TRUE(limit->AwaitIdle(absl::InfiniteDuration()));
  release.join();
}

TEST(InFlightLimitTest, NeverGrantsTooMuchToManyThreads) {
  const auto limit = std::make_shared<InFlightLimit>(1000);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&limit] {
      for (int i = 0; i < 2000; ++i) {
        const auto grant = limit->Acquire(1, 300);
        EXPECT_LE(limit->stats().bytes, 1000);
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(limit->stats().bytes, 0);
  EXPECT_EQ(limit->stats().rows, 0);
}

}  // namespace
}  // namespace engram::server
