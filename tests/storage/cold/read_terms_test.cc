// Goal: a read goes on until its deadline passes or its caller cancels, and is told which.
#include "storage/cold/read_terms.h"

#include <gtest/gtest.h>

namespace engram::storage {
namespace {

TEST(ReadTermsTest, WithoutAnyItGoesOn) {
  EXPECT_TRUE(ReadTerms(absl::InfiniteFuture()).Check().ok());
  EXPECT_TRUE(ReadTerms(absl::Now() + absl::Hours(1)).Check().ok());
  const CancelFlag never = 0;
  EXPECT_TRUE(ReadTerms(absl::InfiniteFuture(), &never).Check().ok());
}

TEST(ReadTermsTest, ADeadlineThatPassed) {
  for (const absl::Time deadline : {absl::Now() - absl::Seconds(1), absl::InfinitePast()}) {
    EXPECT_EQ(ReadTerms(deadline).Check().code(), absl::StatusCode::kDeadlineExceeded);
  }
}

TEST(ReadTermsTest, WhoeverCancelsSeesToItAtOnce) {
  CancelFlag cancelled = 0;
  const ReadTerms terms(absl::Now() - absl::Seconds(1), &cancelled);
  EXPECT_EQ(terms.Check().code(), absl::StatusCode::kDeadlineExceeded);
  cancelled = 1;
  EXPECT_EQ(terms.Check().code(), absl::StatusCode::kCancelled);
}

}  // namespace
}  // namespace engram::storage
