// Goal: a large admission does not keep a small one waiting until it is done.
#include <gtest/gtest.h>

#include <cstdint>
#include <future>
#include <memory>
#include <thread>
#include <vector>

#include "absl/time/clock.h"
#include "storage/placement/reuse_policy.h"
#include "storage/ram/group_cache.h"
#include "tests/storage/ram/ram_testing.h"

namespace engram::storage {
namespace {

constexpr uint64_t kBudget = 8 << 20;
constexpr size_t kLarge = 1000;

// Notes which thread admits. The first group of the large admission lets another thread begin a
// small one; those after it take their time until that is through.
class Witness final : public LowerTier {
 public:
  void OnEnter(const GroupKey& /*group*/, uint8_t /*told_uses*/) override {
    if (std::this_thread::get_id() != large_) {
      entered_before_small_ = entered_;
      small_entered_ = true;
      return;
    }
    if (entered_++ == 0) begun_.set_value();
    if (!small_entered_) absl::SleepFor(absl::Microseconds(200));
  }
  void OnLeave(const GroupKey& /*group*/, uint8_t /*uses*/, const RowId* /*ids*/,
               const std::byte* /*rows*/) override {}

  void AwaitBegun() { begun_.get_future().wait(); }
  // Of the large admission, when the small one had its turn; all of them, if that never came.
  size_t entered_before_small() const { return entered_before_small_; }

 private:
  const std::thread::id large_ = std::this_thread::get_id();
  std::promise<void> begun_;
  // Calls come one at a time.
  size_t entered_ = 0;
  size_t entered_before_small_ = kLarge;
  bool small_entered_ = false;
};

TEST(GroupCacheTurnsTest, ASmallAdmissionHasItsTurnAmidALargeOne) {
  const TableSpec spec = MakeSpec(1'000'000, 264, 8);
  Witness witness;
  auto shares = std::make_shared<RamShares>(std::make_shared<ByteBudget>(kBudget));
  GroupCache cache(spec, shares, std::make_unique<ReusePolicy>(ReusePolicyOptions()), {}, &witness);
  std::thread small([&] {
    witness.AwaitBegun();
    AdmitGroups(cache, spec, Range(5000, 1));
  });
  AdmitGroups(cache, spec, Range(0, kLarge));
  small.join();
  EXPECT_LT(witness.entered_before_small(), kLarge);
  EXPECT_EQ(LookUpGroups(cache, spec, Range(0, kLarge)), kLarge);
  EXPECT_EQ(LookUpGroups(cache, spec, Range(5000, 1)), 1U);
}

}  // namespace
}  // namespace engram::storage
