// Goal: who is to have a warm tier gets one, as soon as the budgets have room, and who is not
// leaves nothing behind; while tiers are in use nothing is taken from under their users.
#include "storage/warm/warm_tiers.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "storage/ram/group_hash.h"
#include "tests/storage/cold/cold_testing.h"
#include "tests/storage/ram/ram_testing.h"

namespace engram::storage {
namespace {

constexpr uint64_t kMiB = uint64_t{1} << 20;
constexpr uint64_t kBudget = 16 * kMiB;

class WarmTiersTest : public testing::Test {
 protected:
  void SetUp() override {
    engine_ = *NewReadEngine({});
    Open();
  }
  void TearDown() override { Close(); }

  void Open() {
    auto tiers = WarmTiers::Open(dir_, kBudget, &ram_, engine_.get(), DatabaseConfig());
    ASSERT_TRUE(tiers.ok()) << tiers.status();
    tiers_ = *std::move(tiers);
  }
  void Close() {
    tables_.clear();
    tiers_.reset();
  }

  // A table that takes part from now on.
  std::shared_ptr<CurrentWarmTier> Add(uint64_t uid) {
    tables_.push_back(
        {.name = "t", .spec = spec_, .current = std::make_shared<CurrentWarmTier>(uid)});
    tiers_->SetDivisionDue();
    return tables_.back().current;
  }
  void Remove(const std::shared_ptr<CurrentWarmTier>& current) {
    std::erase_if(tables_, [&](const WarmTable& table) { return table.current == current; });
    tiers_->SetDivisionDue();
  }

  void Divide() {
    const absl::Status status = tiers_->Divide([this] { return tables_; }, now_);
    EXPECT_TRUE(status.ok()) << status;
    EXPECT_LE(ram_.used_bytes(), ram_.budget_bytes());
    EXPECT_LE(BytesOnDisk(), kBudget);
  }

  uint64_t BytesOnDisk() const {
    uint64_t bytes = 0;
    for (const auto& file : std::filesystem::recursive_directory_iterator(dir_)) {
      if (file.path().extension() == ".sst") bytes += file.file_size();
    }
    return bytes;
  }

  // Has the tier write groups, a segment at a time.
  void Fill(CurrentWarmTier& current, absl::Span<const uint64_t> groups) {
    const auto tier = current.Get();
    ASSERT_NE(tier, nullptr);
    for (const uint64_t group : groups) {
      const std::vector<RowId> ids = GroupIds(spec_, {group});
      if (tier->CollectRoom() == 0) tier->Step(now_ += absl::Seconds(1));
      const uint64_t hash = HashGroup(ids.data(), ids.size() * sizeof(RowId), ram_.hash_seed());
      current.OnLeave({.hash = hash, .order = 0}, 1, ids.data(), MakeRows(spec_, ids).data());
    }
    while (tier->Step(now_ += absl::Seconds(1))) {
    }
    EXPECT_LE(BytesOnDisk(), kBudget);
  }

  TableSpec spec_ = MakeSpec(4'000'000'000, 264, 8);
  std::string dir_ = TestDir() + "/warm";
  RamTiers ram_{16 * kMiB};
  std::unique_ptr<ReadEngine> engine_;
  std::unique_ptr<WarmTiers> tiers_;
  std::vector<WarmTable> tables_;
  absl::Time now_ = absl::FromUnixSeconds(1'800'000'000);
};

TEST_F(WarmTiersTest, TheFirstTableHasAll) {
  const auto table = Add(1);
  EXPECT_TRUE(tiers_->division_due());
  Divide();
  EXPECT_FALSE(tiers_->division_due());
  ASSERT_NE(table->Get(), nullptr);
  EXPECT_EQ(table->Get()->offered_bytes(), kBudget);
}

TEST_F(WarmTiersTest, ASecondOneSharesItAndTheFirstKeepsSegmentsThatFit) {
  const auto first = Add(1);
  Divide();
  Fill(*first, Range(0, 1000));  // a quarter
  const uint64_t held = first->Stats().groups;
  ASSERT_GT(held, 800u);
  const auto second = Add(2);
  Divide();
  ASSERT_NE(first->Get(), nullptr);
  ASSERT_NE(second->Get(), nullptr);
  EXPECT_EQ(first->Get()->offered_bytes(), kBudget / 2);
  EXPECT_EQ(second->Get()->offered_bytes(), kBudget / 2);
  while (first->Get()->Step(now_)) {
  }
  EXPECT_EQ(first->Stats().groups, held);
  EXPECT_EQ(first->Stats().admissions, held);  // what was counted before still counts
}

TEST_F(WarmTiersTest, SegmentsThatDoNotFitAreRemovedBeforeOthersWrite) {
  const auto first = Add(1);
  Divide();
  Fill(*first, Range(0, 5000));
  ASSERT_GT(BytesOnDisk(), kBudget * 3 / 4);
  const auto second = Add(2);
  Divide();
  EXPECT_LE(BytesOnDisk(), kBudget / 2);
  Fill(*second, Range(0, 5000));
  Fill(*first, Range(5000, 5000));
  EXPECT_GT(BytesOnDisk(), kBudget * 3 / 4);
}

TEST_F(WarmTiersTest, NothingNewComesWhileWhatIsGivenUpIsInUse) {
  const auto old_version = Add(1);
  Divide();
  Fill(*old_version, Range(0, 1000));
  std::shared_ptr<WarmTier> in_use = old_version->Get();
  const std::vector<RowId> ids = GroupIds(spec_, {3});
  const auto slot = in_use->Find(ids.data());
  ASSERT_TRUE(slot.has_value());
  Remove(old_version);
  const auto new_version = Add(2);
  for (int times = 0; times < 3; ++times) Divide();
  EXPECT_EQ(old_version->Get(), nullptr);
  EXPECT_EQ(new_version->Get(), nullptr);
  EXPECT_TRUE(tiers_->division_due());
  std::vector<std::byte> rows(spec_.group_bytes());
  WarmRead read = {.slot = *slot, .ids = ids.data(), .rows = rows.data()};
  ColdReadStats stats;
  ASSERT_TRUE(in_use->Read({&read, 1}, absl::InfiniteFuture(), &stats).ok());
  EXPECT_TRUE(read.found);
  EXPECT_TRUE(rows == MakeRows(spec_, ids));
  in_use.reset();
  Divide();
  EXPECT_EQ(BytesOnDisk(), 0u);
  ASSERT_NE(new_version->Get(), nullptr);
  EXPECT_EQ(new_version->Get()->offered_bytes(), kBudget);
}

TEST_F(WarmTiersTest, WhoComesBackWhileItsTierIsInUseGoesOnWithIt) {
  const auto table = Add(1);
  Divide();
  Fill(*table, Range(0, 1000));
  const uint64_t held = table->Stats().groups;
  std::shared_ptr<WarmTier> in_use = table->Get();
  const WarmTable itself = tables_.back();
  Remove(table);
  Divide();
  tables_.push_back(itself);
  tiers_->SetDivisionDue();
  Divide();
  EXPECT_EQ(table->Get(), nullptr);
  in_use.reset();
  Divide();
  ASSERT_NE(table->Get(), nullptr);
  while (table->Get()->Step(now_)) {
  }
  EXPECT_EQ(table->Stats().groups, held);
}

TEST_F(WarmTiersTest, CachesGiveBackTheRamThatATierNeeds) {
  const auto cache = ram_.NewCache(spec_);
  AdmitGroups(*cache, spec_, Range(0, 10'000));
  ASSERT_GT(ram_.used_bytes(), ram_.budget_bytes() * 9 / 10);
  const auto table = Add(1);
  for (uint64_t step = 0; step < 100 && table->Get() == nullptr; ++step) {
    Divide();
    AdmitGroups(*cache, spec_, Range(step * 1000, 1000));  // which would like to have it back
  }
  ASSERT_NE(table->Get(), nullptr);
  Divide();
  EXPECT_FALSE(tiers_->division_due());
  EXPECT_GT(LookUpGroups(*cache, spec_, Range(0, 10'000)), 0u);
  AdmitGroups(*cache, spec_, Range(0, 10'000));
  EXPECT_GT(ram_.used_bytes(), ram_.budget_bytes() * 9 / 10);  // nothing is left set aside
}

TEST_F(WarmTiersTest, WithoutRamATierWaits) {
  ASSERT_TRUE(ram_.budget()->TryReserve(16 * kMiB));  // a whole table, say
  const auto table = Add(1);
  for (int times = 0; times < 3; ++times) Divide();
  EXPECT_EQ(table->Get(), nullptr);
  EXPECT_TRUE(tiers_->division_due());
  ram_.budget()->Release(16 * kMiB);
  Divide();
  EXPECT_NE(table->Get(), nullptr);
}

TEST_F(WarmTiersTest, WhereThereIsNoRoomForATierNothingIsDue) {
  spec_ = MakeSpec(4'000'000'000, 1 << 20, 64);  // records of 64 MiB
  const auto table = Add(1);
  Divide();
  EXPECT_EQ(table->Get(), nullptr);
  EXPECT_FALSE(tiers_->division_due());
}

TEST_F(WarmTiersTest, AStartTakesWhatIsThereAndRemovesWhatIsOthers) {
  auto left = Add(1);
  auto kept = Add(2);
  Divide();
  Fill(*left, Range(0, 1000));
  Fill(*kept, Range(0, 1000));
  const uint64_t held = kept->Stats().groups;
  const uint64_t before = BytesOnDisk();
  left.reset();
  kept.reset();
  Close();
  Open();
  const auto again = Add(2);
  Divide();
  EXPECT_LT(BytesOnDisk(), before * 3 / 4);
  while (again->Get()->Step(now_)) {
  }
  EXPECT_EQ(again->Stats().groups, held);
}

}  // namespace
}  // namespace engram::storage
