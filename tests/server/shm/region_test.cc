#include "server/shm/region.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>
#include <limits>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/unique_fd.h"
#include "tests/server/shm/attachments_testing.h"
#include "tests/server/shm/raw_client.h"

namespace engram::server {
namespace {

using testing::HasSubstr;

constexpr uint32_t kSlots = 4;
constexpr uint64_t kDataOffset = shm::DataOffset(kSlots);
constexpr uint64_t kBytes = kDataOffset + 4 * shm::kPageBytes;
constexpr uint64_t kMost = std::numeric_limits<uint64_t>::max();

absl::Status MapStatus(const UniqueFd& fd, const shm::AttachRequest& request) {
  return Region::Map(fd.get(), request).status();
}

absl::Status MapStatus(const UniqueFd& fd) { return MapStatus(fd, RequestFor(kSlots, kBytes)); }

void ExpectRefused(const absl::Status& status, const std::string& part) {
  EXPECT_THAT(status, Fails(absl::StatusCode::kInvalidArgument, part)) << status;
}

// A file of the right size that has no name.
UniqueFd NewFile(const char* directory) {
  UniqueFd file(open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  EXPECT_TRUE(file.valid()) << directory << ": " << std::strerror(errno);
  EXPECT_EQ(ftruncate(file.get(), kBytes), 0);
  return file;
}

TEST(RegionTest, MapsWhatTheClientSealed) {
  const UniqueFd memfd = NewMemfd(kBytes);
  const auto region = Region::Map(memfd.get(), RequestFor(kSlots, kBytes));
  ASSERT_TRUE(region.ok()) << region.status();
  EXPECT_EQ(region->bytes(), kBytes);
  EXPECT_EQ(region->slots(), kSlots);
  region->slot(3).call.ids = 77;
  uint32_t ids = 0;
  ASSERT_EQ(pread(memfd.get(), &ids, sizeof(ids),
                  static_cast<off_t>(shm::SlotOffset(3) + offsetof(shm::Slot, call) +
                                     offsetof(shm::Call, ids))),
            ssize_t{sizeof(ids)});
  EXPECT_EQ(ids, 77U);
}

TEST(RegionTest, AMappingGoesWithTheLastOwner) {
  const UniqueFd memfd = NewMemfd(kBytes);
  {
    auto region = Region::Map(memfd.get(), RequestFor(kSlots, kBytes));
    ASSERT_TRUE(region.ok()) << region.status();
    const Region moved = *std::move(region);
    EXPECT_EQ(CountMappings("engram-raw-client"), 1U);
    moved.control().awake.store(1);
  }
  EXPECT_EQ(CountMappings("engram-raw-client"), 0U);
}

TEST(RegionTest, RefusesWhatIsNoMemfd) {
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
  const UniqueFd from(ends[0]);
  const UniqueFd to(ends[1]);
  ExpectRefused(MapStatus(from), "not that of a memfd");
  ExpectRefused(MapStatus(to), "not that of a memfd");
  ExpectRefused(MapStatus(UniqueFd(open("/dev/zero", O_RDWR | O_CLOEXEC))), "not that of a memfd");
  ExpectRefused(MapStatus(UniqueFd()), "not that of a memfd");
  // In a folder of tmpfs, files have seals too, but those that nobody can add to.
  const UniqueFd file = NewFile(testing::TempDir().c_str());
  EXPECT_EQ(MapStatus(file).code(), absl::StatusCode::kInvalidArgument);
  ExpectRefused(MapStatus(NewFile("/dev/shm")), "must be sealed");
}

TEST(RegionTest, RefusesAMemfdThatLacksASeal) {
  for (const int missing : {F_SEAL_SHRINK, F_SEAL_GROW, F_SEAL_SEAL, kUsualSeals}) {
    ExpectRefused(MapStatus(NewMemfd(kBytes, kUsualSeals & ~missing)),
                  "sealed against shrinking, growing and further sealing");
  }
}

TEST(RegionTest, RefusesAMemfdThatTheDaemonMayNotWrite) {
  ExpectRefused(MapStatus(NewMemfd(kBytes, kUsualSeals | F_SEAL_WRITE)), "does not let the daemon");
  ExpectRefused(MapStatus(NewMemfd(kBytes, kUsualSeals | F_SEAL_FUTURE_WRITE)),
                "does not let the daemon");
  const UniqueFd memfd = NewMemfd(kBytes);
  const std::string path = "/proc/self/fd/" + std::to_string(memfd.get());
  ExpectRefused(MapStatus(UniqueFd(open(path.c_str(), O_RDONLY | O_CLOEXEC))),
                "does not let the daemon");
  EXPECT_EQ(CountMappings("engram-raw-client"), 0U);
}

TEST(RegionTest, RefusesHugePages) {
  const UniqueFd memfd(memfd_create("huge", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_HUGETLB));
  if (!memfd.valid()) {
    GTEST_SKIP() << "this kernel makes none";
  }
  constexpr uint64_t kHugePage = 2 << 20;
  ASSERT_EQ(ftruncate(memfd.get(), kHugePage), 0);
  ASSERT_EQ(fcntl(memfd.get(), F_ADD_SEALS, kUsualSeals), 0);
  ExpectRefused(MapStatus(memfd, RequestFor(kSlots, kHugePage)), "pages of the usual size");
}

TEST(RegionTest, RefusesASizeOtherThanTheRequests) {
  const UniqueFd memfd = NewMemfd(kBytes);
  ExpectRefused(MapStatus(memfd, RequestFor(kSlots, kBytes + shm::kPageBytes)),
                "the memfd has " + std::to_string(kBytes) + " bytes");
  ExpectRefused(MapStatus(memfd, RequestFor(kSlots, kBytes - shm::kPageBytes)),
                "the request says " + std::to_string(kBytes - shm::kPageBytes));
  ExpectRefused(MapStatus(memfd, RequestFor(kSlots, kMost / shm::kPageBytes * shm::kPageBytes)),
                "the memfd has");
}

TEST(RegionTest, RefusesASizeThatNoRegionHas) {
  for (const uint64_t bytes : {uint64_t{0}, kBytes + 1, kBytes - 1, kBytes + 2048, kMost}) {
    ExpectRefused(MapStatus(NewMemfd(bytes == kMost ? kBytes : bytes), RequestFor(kSlots, bytes)),
                  "not made of pages");
  }
  ExpectRefused(MapStatus(NewMemfd(shm::kPageBytes), RequestFor(kSlots, shm::kPageBytes)),
                "no room for data");
  ExpectRefused(MapStatus(NewMemfd(kDataOffset), RequestFor(kSlots, kDataOffset)),
                "no room for data");
  const uint64_t least = kDataOffset + shm::kPageBytes;
  EXPECT_TRUE(MapStatus(NewMemfd(least), RequestFor(kSlots, least)).ok());
}

TEST(RegionTest, RefusesANumberOfSlotsThatIsNoPowerOfTwoOrTooHigh) {
  constexpr uint64_t kEnough = 4 << 20;
  const UniqueFd memfd = NewMemfd(kEnough);
  for (const uint32_t slots : {0U, 3U, 127U, 129U, 256U, 0x80000000U, 0xFFFFFFFFU}) {
    ExpectRefused(MapStatus(memfd, RequestFor(slots, kEnough)), std::to_string(slots) + " slots");
  }
  for (uint32_t slots = 1; slots <= shm::kMaxSlots; slots *= 2) {
    EXPECT_TRUE(MapStatus(memfd, RequestFor(slots, kEnough)).ok()) << slots;
  }
}

class RegionDataTest : public testing::Test {
 protected:
  RegionDataTest() {
    const UniqueFd memfd = NewMemfd(kBytes);
    auto region = Region::Map(memfd.get(), RequestFor(kSlots, kBytes));
    EXPECT_TRUE(region.ok()) << region.status();
    region_.emplace(*std::move(region));
  }

  void ExpectNotInData(uint64_t offset, uint64_t bytes) {
    const absl::Status status = region_->Data(offset, bytes).status();
    EXPECT_THAT(status, Fails(absl::StatusCode::kInvalidArgument, "are not in the data"));
    EXPECT_THAT(std::string(status.message()), HasSubstr(std::to_string(offset)));
  }

  std::optional<Region> region_;
};

TEST_F(RegionDataTest, GivesAllOfTheData) {
  auto* const base = reinterpret_cast<std::byte*>(&region_->control());
  const auto all = region_->Data(kDataOffset, kBytes - kDataOffset);
  ASSERT_TRUE(all.ok()) << all.status();
  EXPECT_EQ(all->data(), base + kDataOffset);
  EXPECT_EQ(all->size(), kBytes - kDataOffset);
  all->back() = std::byte{1};
  const auto last = region_->Data(kBytes - 1, 1);
  ASSERT_TRUE(last.ok()) << last.status();
  EXPECT_EQ(last->data(), &all->back());
  for (const uint64_t offset : {kDataOffset, kDataOffset + 1, kBytes - 1, kBytes}) {
    const auto none = region_->Data(offset, 0);
    ASSERT_TRUE(none.ok()) << none.status();
    EXPECT_TRUE(none->empty());
  }
}

TEST_F(RegionDataTest, RefusesWhatEndsBehindIt) {
  ExpectNotInData(kDataOffset, kBytes - kDataOffset + 1);
  ExpectNotInData(kDataOffset + 1, kBytes - kDataOffset);
  ExpectNotInData(kBytes - 1, 2);
  ExpectNotInData(kBytes, 1);
  ExpectNotInData(kBytes + 1, 0);
  ExpectNotInData(kBytes + shm::kPageBytes, 1);
}

TEST_F(RegionDataTest, RefusesTheControlPageAndTheSlots) {
  for (const uint64_t offset : {uint64_t{0}, uint64_t{64}, uint64_t{shm::SlotOffset(0)},
                                uint64_t{shm::SlotOffset(3)}, kDataOffset - 1}) {
    ExpectNotInData(offset, 0);
    ExpectNotInData(offset, 1);
    ExpectNotInData(offset, kBytes - offset);
  }
}

TEST_F(RegionDataTest, RefusesSumsThatOverflow) {
  for (const uint64_t offset : {kDataOffset, kDataOffset + 64, kBytes - 1, kBytes, kMost}) {
    ExpectNotInData(offset, kMost);
    ExpectNotInData(offset, 0 - offset + (offset == kMost ? 1 : 0));
    ExpectNotInData(offset, kDataOffset - offset + kMost);
    ExpectNotInData(offset, uint64_t{1} << 63);
  }
  ExpectNotInData(kMost, 0);
  ExpectNotInData(uint64_t{1} << 63, uint64_t{1} << 63);
  ExpectNotInData(0 - uint64_t{4096}, 4096 + kDataOffset);
}

}  // namespace
}  // namespace engram::server
