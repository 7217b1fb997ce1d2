// Goal: what leaves the cache is found again whole, the better groups stay, and nothing is served
// that is not what was asked for.
#include "storage/warm/warm_tier.h"

#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "storage/ram/group_hash.h"
#include "tests/storage/cold/cold_testing.h"
#include "tests/storage/ram/ram_testing.h"

namespace engram::storage {
namespace {

constexpr uint64_t kSeed = 77;

class WarmTierTest : public testing::Test {
 protected:
  void SetUp() override {
    spec_ = MakeSpec(4'000'000'000, 264, 8);
    engine_ = *NewReadEngine({});
    OpenDatabase();
  }
  void TearDown() override {
    tier_.reset();
    database_.reset();
  }

  void OpenDatabase() {
    auto database = SegmentDatabase::Open(dir_, engine_.get(), DatabaseConfig());
    ASSERT_TRUE(database.ok()) << database.status();
    database_ = *std::move(database);
  }

  // Segments of 32 pages, whose records are 31 and a directory.
  void Create(uint64_t segments) {
    const SegmentShape shape = {.row_bytes = 2144, .pages = 32, .segments = segments};
    options_ = {.disk_bytes = (segments + 1) * shape.segment_disk_bytes(),
                .segment_bytes = 32 * 4096,
                .hash_seed = kSeed};
    CreateTier();
  }

  void CreateTier(uint64_t uid = kUid) {
    auto tier = WarmTier::Create(spec_, disk_, ram_, options_, [&](const SegmentShape& shape) {
      return database_->OpenStore(uid, shape);
    });
    ASSERT_TRUE(tier.ok()) << tier.status();
    tier_ = *std::move(tier);
    ASSERT_NE(tier_, nullptr);
  }

  GroupKey KeyOf(const std::vector<RowId>& ids) const {
    return {.hash = HashGroup(ids.data(), ids.size() * sizeof(RowId), kSeed), .order = 0};
  }

  void Leave(absl::Span<const uint64_t> groups, uint8_t uses) {
    for (const uint64_t group : groups) {
      const std::vector<RowId> ids = GroupIds(spec_, {group});
      tier_->OnLeave(KeyOf(ids), uses, ids.data(), MakeRows(spec_, ids).data());
    }
  }

  void Enter(uint64_t group, uint8_t told_uses) {
    tier_->OnEnter(KeyOf(GroupIds(spec_, {group})), told_uses);
  }

  // Lets time pass until nothing is due.
  void Work() {
    while (tier_->Step(now_)) now_ += absl::Seconds(1);
    now_ += absl::Seconds(20);
    while (tier_->Step(now_)) now_ += absl::Seconds(1);
  }

  // Makes a tier of 124 groups that holds those from 0 on, of so many uses, while most groups are
  // used once.
  void FillWithGroupsUsed(uint8_t uses) {
    Create(4);
    for (uint64_t first = 5000; first < 6000; first += 31) {
      Leave(Range(first, 31), 1);
      Work();
    }
    for (uint64_t first = 0; first < 4 * 31; first += 31) {
      Leave(Range(first, 31), uses);
      Work();
    }
    ASSERT_EQ(Find(Range(0, 124)), 124u);
  }

  void FillWithGroupsUsedOnce() {
    Create(4);
    for (uint64_t first = 0; first < 4 * 31; first += 31) {
      Leave(Range(first, 31), 1);
      Work();
    }
    ASSERT_EQ(Find(Range(0, 124)), 124u);
  }

  // Looks groups up and checks every byte of those found; returns how many were.
  size_t Find(absl::Span<const uint64_t> groups) {
    const std::vector<RowId> ids = GroupIds(spec_, groups);
    std::vector<std::byte> rows(ids.size() * spec_.row_bytes, std::byte{0xA5});
    std::vector<WarmRead> reads;
    for (uint32_t i = 0; i < groups.size(); ++i) {
      const RowId* group_ids = ids.data() + i * spec_.group_size;
      if (const auto slot = tier_->Find(group_ids); slot.has_value()) {
        reads.push_back({.slot = *slot,
                         .ids = group_ids,
                         .rows = rows.data() + i * spec_.group_bytes(),
                         .group = i,
                         .found = false});
      }
    }
    std::sort(reads.begin(), reads.end(),
              [](const WarmRead& a, const WarmRead& b) { return a.slot < b.slot; });
    ColdReadStats stats;
    EXPECT_TRUE(tier_->Read(absl::MakeSpan(reads), absl::InfiniteFuture(), &stats).ok());
    size_t found = 0;
    std::vector<std::byte> expected(rows.size(), std::byte{0xA5});
    const std::vector<std::byte> all = MakeRows(spec_, ids);
    for (const WarmRead& read : reads) {
      if (!read.found) continue;
      ++found;
      const size_t at = read.group * spec_.group_bytes();
      std::memcpy(expected.data() + at, all.data() + at, spec_.group_bytes());
    }
    EXPECT_TRUE(rows == expected);
    return found;
  }

  TableSpec spec_;
  std::string dir_ = TestDir() + "/warm";
  std::unique_ptr<ReadEngine> engine_;
  std::unique_ptr<SegmentDatabase> database_;
  std::shared_ptr<ByteBudget> disk_ = std::make_shared<ByteBudget>(uint64_t{64} << 20);
  std::shared_ptr<ByteBudget> ram_ = std::make_shared<ByteBudget>(uint64_t{64} << 20);
  WarmTierOptions options_;
  std::unique_ptr<WarmTier> tier_;
  absl::Time now_ = absl::FromUnixSeconds(1'800'000'000);
};

TEST_F(WarmTierTest, GroupsAreFoundOnceTheyAreWritten) {
  Create(8);
  EXPECT_EQ(tier_->layout().segment_records(), 31u);
  Leave(Range(0, 31), 1);
  EXPECT_EQ(Find(Range(0, 100)), 0u);
  Work();
  EXPECT_EQ(Find(Range(0, 100)), 31u);
  EXPECT_EQ(tier_->Stats().groups, 31u);
  EXPECT_EQ(tier_->Stats().admissions, 31u);
}

TEST_F(WarmTierTest, WritesWaitForAWholeSegment) {
  Create(8);
  Leave(Range(0, 30), 1);
  EXPECT_FALSE(tier_->Step(now_));
  Leave({30}, 1);
  EXPECT_TRUE(tier_->Step(now_));
}

TEST_F(WarmTierTest, WritesKeepToTheirRate) {
  Create(8);
  options_.write_bytes_per_s = 31 * 2144;
  tier_.reset();
  CreateTier();
  Leave(Range(0, 31), 1);
  EXPECT_TRUE(tier_->Step(now_));
  Leave(Range(31, 31), 1);
  EXPECT_FALSE(tier_->Step(now_ + absl::Milliseconds(900)));
  Leave(Range(62, 31), 1);  // no room to collect them meanwhile
  EXPECT_EQ(tier_->Stats().skipped, 31u);
  EXPECT_TRUE(tier_->Step(now_ + absl::Milliseconds(1100)));
}

TEST_F(WarmTierTest, EachGroupIsHeldOnce) {
  Create(8);
  for (int i = 0; i < 5; ++i) {
    Leave(Range(0, 31), 1);
    Work();
  }
  EXPECT_EQ(tier_->Stats().admissions, 31u);
}

TEST_F(WarmTierTest, BetterGroupsTakeThePlaceOfWorseOnes) {
  Create(4);
  Leave(Range(0, 31), 1);
  Work();
  for (uint64_t first = 31; first < 4 * 31; first += 31) {
    Leave(Range(first, 31), 1);
    Work();
  }
  EXPECT_EQ(Find(Range(0, 4 * 31)), size_t{4 * 31});
  // One that was used once is no better than those held.
  for (uint64_t first = 1000; first < 2000; first += 31) {
    Leave(Range(first, 31), 1);
    Work();
  }
  EXPECT_EQ(Find(Range(1000, 1000)), 0u);
  EXPECT_GT(tier_->Stats().refusals, 900u);
  // Those used more often are, until there are no worse ones left.
  for (uint64_t first = 3000; first < 3200; first += 20) {
    Leave(Range(first, 20), 6);
    Work();
  }
  EXPECT_GT(Find(Range(3000, 200)), 100u);
  EXPECT_LT(Find(Range(0, 4 * 31)), 20u);
  const WarmTierStats stats = tier_->Stats();
  EXPECT_EQ(stats.groups, stats.admissions - stats.evictions);
  EXPECT_LE(stats.disk_bytes, options_.disk_bytes);
}

TEST_F(WarmTierTest, GroupsThatTheCacheHoldsGoFirst) {
  FillWithGroupsUsed(6);
  for (const uint64_t group : Range(0, 62)) {
    Enter(group, 0);
  }
  for (uint64_t first = 1000; first < 1060; first += 15) {
    Leave(Range(first, 15), 6);
    Work();
  }
  EXPECT_EQ(Find(Range(62, 62)), 62u);
  EXPECT_EQ(Find(Range(1000, 60)), 60u);
}

// The groups that are used most come to the cache and stay. If nothing but what leaves it taught
// what to expect, groups used twice would seem to have had their last use.
TEST_F(WarmTierTest, LearnsFromGroupsThatTheCacheWasToldOf) {
  FillWithGroupsUsedOnce();
  const auto bring = [this](uint64_t first) {
    Leave(Range(first, 31), 2);
    Work();
    return Find(Range(first, 31));
  };
  Leave(Range(10'000, 1000), 2);
  Work();
  EXPECT_EQ(bring(1000), 0u);
  for (const uint64_t group : Range(20'000, 600)) Enter(group, 9);
  for (const uint64_t group : Range(30'000, 3000)) Enter(group, 1);
  bring(2000);  // with what is known now, the next are compared
  EXPECT_EQ(bring(3000), 31u);
}

// Of the groups used once, a tenth is used again; of those, 15 of a hundred.
TEST_F(WarmTierTest, AGroupIsNotWrittenForLessThanThatCosts) {
  FillWithGroupsUsedOnce();
  for (const uint64_t group : Range(10'000, 20'000)) {
    Enter(group, group % 10 != 0 ? 1 : group % 200 < 170 ? 2 : 3);
  }
  Leave(Range(1000, 31), 2);
  Work();
  EXPECT_EQ(Find(Range(1000, 31)), 0u);
  EXPECT_EQ(tier_->Stats().refusals, 31u);
  EXPECT_EQ(Find(Range(0, 124)), 124u);
}

// What groups are worth is learned; what is learned later holds for those that came before as well.
TEST_F(WarmTierTest, OfEqualsThoseHeldStay) {
  FillWithGroupsUsed(2);
  Leave(Range(0, 31), 9);  // those used twice turn out to be used often
  for (uint64_t first = 3000; first < 3093; first += 31) {
    Leave(Range(first, 31), 2);
    Work();
  }
  EXPECT_EQ(Find(Range(0, 124)), 124u);
  EXPECT_EQ(Find(Range(3000, 93)), 0u);
}

TEST_F(WarmTierTest, AStartTakesInWhatIsThere) {
  Create(8);
  for (uint64_t first = 0; first < 5 * 31; first += 31) {
    Leave(Range(first, 31), 3);
    Work();
  }
  tier_.reset();
  database_.reset();
  OpenDatabase();
  Create(8);
  EXPECT_EQ(Find(Range(0, 200)), 0u);
  Work();
  EXPECT_EQ(Find(Range(0, 200)), size_t{5 * 31});
  EXPECT_EQ(tier_->Stats().groups, size_t{5 * 31});
  // And goes on in the room that is left.
  Leave(Range(1000, 31), 1);
  Work();
  EXPECT_EQ(Find(Range(0, 2000)), size_t{6 * 31});
}

TEST_F(WarmTierTest, WhatIsDamagedIsNotServed) {
  Create(8);
  Leave(Range(0, 31), 1);
  Work();
  const auto rows = MakeRows(spec_, GroupIds(spec_, {7}));
  FlipByte(FindBytes(dir_, std::string(reinterpret_cast<const char*>(rows.data()), rows.size())));
  EXPECT_EQ(Find(Range(0, 31)), 30u);
}

TEST_F(WarmTierTest, ALostSegmentIsGivenUp) {
  Create(8);
  for (uint64_t first = 0; first < 62; first += 31) {
    Leave(Range(first, 31), 1);
    Work();
  }
  tier_.reset();
  database_.reset();
  const auto rows = MakeRows(spec_, GroupIds(spec_, {7}));
  const RowPlace place =
      FindBytes(dir_, std::string(reinterpret_cast<const char*>(rows.data()), rows.size()));
  FlipByte({.path = place.path, .offset = 40});  // in the directory
  OpenDatabase();
  Create(8);
  Work();
  EXPECT_EQ(Find(Range(0, 62)), 31u);
  Leave(Range(0, 31), 1);
  Leave(Range(100, 31), 1);
  Work();
  EXPECT_EQ(Find(Range(0, 31)) + Find(Range(31, 31)), 62u);
}

TEST_F(WarmTierTest, BudgetsAreKept) {
  Create(4);
  std::mt19937_64 random(5);
  for (int i = 0; i < 60; ++i) {
    const uint64_t groups = 1 + random() % 40;
    Leave(Range(random() % 2000, groups), static_cast<uint8_t>(1 + random() % 9));
    tier_->Step(now_ += absl::Seconds(1));
    Find(Range(random() % 2000, 50));
    uint64_t on_disk = 0;
    for (const auto& file : std::filesystem::recursive_directory_iterator(dir_)) {
      if (file.path().extension() == ".sst") on_disk += file.file_size();
    }
    ASSERT_LE(on_disk, options_.disk_bytes);
    ASSERT_LE(tier_->Stats().disk_bytes, options_.disk_bytes);
  }
  EXPECT_GT(tier_->Stats().evictions, 0u);
  EXPECT_LE(ram_->used_bytes(), ram_->limit_bytes());
  tier_.reset();
  EXPECT_EQ(ram_->used_bytes(), 0u);
  EXPECT_EQ(disk_->used_bytes(), 0u);
}

TEST_F(WarmTierTest, WithoutRoomThereIsNone) {
  const auto never = [](const SegmentShape& /*shape*/) {
    return absl::InternalError("there is nothing to open");
  };
  const auto without_disk = WarmTier::Create(spec_, disk_, ram_, {.disk_bytes = 4096}, never);
  ASSERT_TRUE(without_disk.ok()) << without_disk.status();
  EXPECT_EQ(*without_disk, nullptr);
  const auto without_ram = WarmTier::Create(spec_, disk_, std::make_shared<ByteBudget>(4096),
                                            {.disk_bytes = uint64_t{32} << 20}, never);
  ASSERT_TRUE(without_ram.ok()) << without_ram.status();
  EXPECT_EQ(*without_ram, nullptr);
  EXPECT_EQ(disk_->used_bytes(), 0u);
}

TEST_F(WarmTierTest, AnyShape) {
  for (const uint32_t group_size : {1u, 16u, 64u}) {
    for (const uint32_t row_bytes : {1u, 3u, 160u, 4096u}) {
      SCOPED_TRACE(testing::Message() << group_size << " x " << row_bytes);
      spec_ = MakeSpec(4'000'000'000, row_bytes, group_size);
      tier_.reset();
      options_ = {
          .disk_bytes = uint64_t{16} << 20, .segment_bytes = uint64_t{1} << 20, .hash_seed = kSeed};
      CreateTier(kUid + group_size * 5000 + row_bytes);
      ASSERT_NE(tier_, nullptr);
      const uint64_t groups = tier_->layout().segment_records();
      Leave(Range(0, groups), 1);
      Work();
      EXPECT_EQ(Find(Range(0, groups)), groups);
    }
  }
}

}  // namespace
}  // namespace engram::storage
