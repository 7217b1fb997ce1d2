// Fetches of clients that keep the rules, and of those that die or only are a nuisance.
#include "server/shm/attachment.h"

#include <sys/socket.h>

#include <cstring>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/server/shm/attachments_testing.h"
#include "tests/server/shm/raw_client.h"

namespace engram::server {
namespace {

using absl::StatusCode;
using storage::Tier;
using testing::Each;
using testing::ElementsAre;

constexpr int kRounds = storage::kSanitized ? 100 : 500;

class AttachmentTest : public SharedMemoryTest {};

TEST_F(AttachmentTest, FetchesRowsAndTellsTheirTiers) {
  StartStore(kAllInRam);
  const auto client = NewClient();
  const std::vector<uint32_t> ids = {0, 19'999, 5, 5, 12'345};
  FetchAndExpect(client.get(), ids);
  // A row that is asked for twice is read once.
  EXPECT_THAT(client->tiers(0),
              ElementsAre(Tier::kCold, Tier::kCold, Tier::kCold, Tier::kRam, Tier::kCold));
  FetchAndExpect(client.get(), ids);
  EXPECT_THAT(client->tiers(0), Each(Tier::kRam));
  FetchAndExpect(client.get(), {5, 6});
  EXPECT_THAT(client->tiers(0), ElementsAre(Tier::kRam, Tier::kCold));
}

TEST_F(AttachmentTest, FetchesGroups) {
  StartStore(kAllInRam, 4);
  const auto client = NewClient();
  FetchAndExpect(client.get(), {9, 8, 7, 6});
  // The missing groups' rows lie apart from those that were found.
  FetchAndExpect(client.get(), {1, 2, 3, 4, 9, 8, 7, 6, 9, 8, 7, 5});
  EXPECT_THAT(client->tiers(0), ElementsAre(Tier::kCold, Tier::kRam, Tier::kCold));
}

TEST_F(AttachmentTest, TiersNeedNotBeTold) {
  StartStore(0);
  const auto client = NewClient();
  for (const uint64_t offset : {uint64_t{0}, std::numeric_limits<uint64_t>::max()}) {
    shm::Call& call = client->Prepare(0, *table_, {1, 2});
    std::memset(client->At(call.tiers_offset), 0x77, call.tiers_bytes);
    const uint64_t unused = call.tiers_offset;
    call.tiers_bytes = 0;
    call.tiers_offset = offset;
    EXPECT_TRUE(client->PushAndTake(0).ok());
    ExpectFetched(client.get(), 0, {1, 2});
    EXPECT_EQ(*client->At(unused), std::byte{0x77});
  }
}

TEST_F(AttachmentTest, AFetchWritesNothingButItsRowsAndTiers) {
  StartStore(0);
  const auto client = NewClient();
  const shm::Call& call = client->Prepare(3, *table_, Ids(50, 1));
  const std::vector<std::byte> before(client->data().begin(), client->data().end());
  EXPECT_TRUE(client->PushAndTake(3).ok());
  const size_t first = call.tiers_offset - shm::DataOffset(client->slots());
  const size_t end = first + call.tiers_bytes + call.rows_bytes;
  EXPECT_EQ(std::memcmp(before.data(), client->data().data(), first), 0);
  EXPECT_EQ(std::memcmp(before.data() + end, client->data().data() + end, before.size() - end), 0);
}

TEST_F(AttachmentTest, SlotsAreUsedManyTimesWithSeveralFetchesInFlight) {
  StartStore(1 << 20);  // some from RAM, some not
  for (const uint32_t slots : {1U, 8U, shm::kMaxSlots}) {
    const auto client = NewClient(slots);
    std::vector<std::vector<uint32_t>> ids(slots);
    const uint32_t fetches = slots + kRounds;
    uint32_t submitted = 0;
    const auto submit = [&](uint32_t slot) {
      ids[slot] = Ids(1 + submitted % 61, submitted);
      client->Prepare(slot, *table_, ids[slot]);
      client->Push(slot);
      ++submitted;
    };
    for (uint32_t slot = 0; slot < slots; ++slot) {
      submit(slot);
    }
    for (uint32_t taken = 0; taken < fetches; ++taken) {
      const auto slot = client->Take();
      ASSERT_TRUE(slot.has_value() && *slot < slots);
      ExpectFetched(client.get(), *slot, ids[*slot]);
      if (submitted < fetches) {
        submit(*slot);
      }
    }
  }
}

TEST_F(AttachmentTest, AFetchFromRamPassesOneThatWaitsForTheDisk) {
  StartStore(kAllInRam);
  const auto client = NewClient();
  FetchAndExpect(client.get(), {1, 2, 3});
  gate_.Close();
  client->Prepare(6, *table_, {10'000});
  client->Push(6);
  gate_.AwaitWaiting(1);
  FetchAndExpect(client.get(), {3, 2, 1});
  gate_.Open();
  EXPECT_EQ(client->Take(), std::optional<uint32_t>(6));
  ExpectFetched(client.get(), 6, {10'000});
}

// What is wrong with a call alone, and not with its place in memory, is told.
TEST_F(AttachmentTest, TellsErrorsOfCalls) {
  StartStore(0);
  const auto client = NewClient();
  const auto change_and_expect = [&](auto change, StatusCode code, const std::string& part) {
    change(&client->Prepare(0, *table_, {1, 2, 3}));
    const absl::Status status = client->PushAndTake(0);
    EXPECT_THAT(status, Fails(code, part)) << status;
    FetchAndExpect(client.get(), {4, 5});
  };
  using Call = shm::Call;
  change_and_expect([](Call* c) { c->name[0] = 'x'; }, StatusCode::kNotFound, "xodel/layer1");
  change_and_expect([](Call* c) { c->name_bytes = 5; }, StatusCode::kNotFound, "\"model\"");
  change_and_expect([](Call* c) { c->name_bytes = 0; }, StatusCode::kNotFound, "");
  for (const uint32_t bytes : {801U, 4096U, 1U << 31, 0xFFFFFFFFU}) {
    change_and_expect([=](Call* c) { c->name_bytes = bytes; }, StatusCode::kNotFound, "");
  }
  change_and_expect(
      [](Call* c) {
        std::memset(c->name, 0xFF, sizeof(c->name));
        c->name_bytes = sizeof(c->name);
      },
      StatusCode::kNotFound, "");
  change_and_expect([](Call* c) { c->version = 2; }, StatusCode::kNotFound, "");
  change_and_expect([](Call* c) { c->version = 0; }, StatusCode::kInvalidArgument, "no version");
  change_and_expect([](Call* c) { c->digest[15] ^= 1; }, StatusCode::kFailedPrecondition, "digest");
  change_and_expect([](Call* c) { c->rows_bytes -= 1; }, StatusCode::kInvalidArgument, "output");
  change_and_expect([](Call* c) { c->rows_bytes += 1; }, StatusCode::kInvalidArgument, "output");
  change_and_expect([](Call* c) { c->rows_bytes = 0; }, StatusCode::kInvalidArgument, "output");
  change_and_expect([](Call* c) { c->tiers_bytes = 2; }, StatusCode::kInvalidArgument, "tiers");
  change_and_expect([](Call* c) { c->tiers_bytes = 4; }, StatusCode::kInvalidArgument, "tiers");
  change_and_expect([](Call* c) { c->ids = 0; }, StatusCode::kInvalidArgument, "no row ids");
  change_and_expect([](Call* c) { c->ids = 4097; }, StatusCode::kResourceExhausted, "4096");
  EXPECT_THAT(client->Fetch(0, *table_, {1, 20'000}), Fails(StatusCode::kOutOfRange, "20000"));
  EXPECT_EQ(in_flight_->stats().bytes, 0U);
}

TEST_F(AttachmentTest, ADigestOfZeroesIsNone) {
  StartStore(0);
  const auto client = NewClient();
  std::memset(client->Prepare(0, *table_, {1}).digest, 0, sizeof(shm::Call::digest));
  EXPECT_TRUE(client->PushAndTake(0).ok());
  ExpectFetched(client.get(), 0, {1});
}

TEST_F(AttachmentTest, KeepsDeadlines) {
  StartStore(0);
  const auto client = NewClient();
  client->Prepare(0, *table_, {1}).deadline_us = std::numeric_limits<uint64_t>::max();
  EXPECT_TRUE(client->PushAndTake(0).ok());
  // Both I/O threads are held up until the deadline has passed.
  gate_.Close();
  for (uint32_t slot = 0; slot < kIoThreads; ++slot) {
    client->Prepare(slot, *table_, {slot * 1000});
    client->Push(slot);
    gate_.AwaitWaiting(slot + 1);
  }
  client->Prepare(7, *table_, {9}).deadline_us = 1;
  client->Push(7);
  EXPECT_TRUE(AwaitTrue([&] { return in_flight_->stats().rows == kIoThreads + 1; }));
  // The daemon takes the time of the deadline before it takes the next fetch.
  client->Prepare(6, *table_, {10});
  client->Push(6);
  EXPECT_TRUE(AwaitTrue([&] { return in_flight_->stats().rows == kIoThreads + 2; }));
  absl::SleepFor(absl::Microseconds(2));
  gate_.Open();
  for (int i = 0; i < kIoThreads + 2; ++i) {
    ASSERT_TRUE(client->Take().has_value());
  }
  EXPECT_EQ(client->outcome(7).code(), StatusCode::kDeadlineExceeded) << client->outcome(7);
  EXPECT_TRUE(client->outcome(6).ok());
}

TEST_F(AttachmentTest, ACallThatIsCancelledInItsSlotReadsNoMore) {
  StartStore(0);
  const auto client = NewClient();
  FetchAndExpect(client.get(), {1});  // opens the table's file, which one thread does
  gate_.Close();
  for (uint32_t slot = 0; slot < kIoThreads; ++slot) {
    client->Prepare(slot, *table_, {slot * 1000});
    client->Push(slot);
    gate_.AwaitWaiting(slot + 1);
  }
  client->Prepare(7, *table_, {9}).needed_us = 1;
  client->Push(7);
  client->slot(7).cancelled.store(1);
  gate_.Open();
  for (int i = 0; i < kIoThreads + 1; ++i) {
    ASSERT_TRUE(client->Take().has_value());
  }
  EXPECT_EQ(client->outcome(7).code(), StatusCode::kCancelled) << client->outcome(7);
  ExpectFetched(client.get(), 0, {0});
  const storage::TableStats stats = store_->Stats().tables.front();
  EXPECT_EQ(stats.fetch_errors, 1U);
  EXPECT_EQ(stats.fetches_on_time + stats.fetches_late, 0U);
}

TEST_F(AttachmentTest, AClientDiesWithFetchesUnderWay) {
  StartStore(0);
  const auto bystander = NewClient();
  const auto client = NewClient();
  FetchAndExpect(bystander.get(), Ids(100, 1));  // opens the table's file, which one thread does
  gate_.Close();
  for (uint32_t slot = 0; slot < client->slots(); ++slot) {
    client->Prepare(slot, *table_, Ids(100, slot));
    client->Push(slot);
  }
  gate_.AwaitWaiting(kIoThreads);
  client->Die();
  gate_.Open();
  EXPECT_TRUE(AwaitTrue([&] { return attachments_->stats().attachments == 1; }));
  EXPECT_EQ(attachments_->stats().bytes, bystander->region_bytes());
  EXPECT_EQ(in_flight_->stats().bytes, 0U);
  FetchAndExpect(bystander.get(), Ids(100, 1));
  bystander->Die();
  AwaitNoAttachments();
  EXPECT_EQ(CountMappings("engram-raw-client"), 0U);
}

TEST_F(AttachmentTest, ClientsDieAtAnyMoment) {
  StartStore(1 << 20);
  for (int round = 0; round < kRounds / 4; ++round) {
    const auto client = NewClient();
    for (uint32_t slot = 0; slot < client->slots(); ++slot) {
      client->Prepare(slot, *table_, Ids(20, static_cast<uint32_t>(round) + slot));
      client->Push(slot);
    }
    for (int taken = 0; taken < round % 8; ++taken) {
      ASSERT_TRUE(client->Take().has_value());
    }
  }
  AwaitNoAttachments();
  EXPECT_EQ(in_flight_->stats().bytes, 0U);
  EXPECT_EQ(CountMappings("engram-raw-client"), 0U);
}

TEST_F(AttachmentTest, AClientTakesNoCompletions) {
  StartStore(kAllInRam);
  const auto bystander = NewClient();
  const auto client = NewClient(4);
  const auto push_all = [&] {
    const uint32_t before = client->control().completed.count.load();
    for (uint32_t slot = 0; slot < client->slots(); ++slot) {
      client->Prepare(slot, *table_, {slot});
      client->control().completed.asleep.store(1);  // each completion rings
      client->Push(slot);
    }
    return AwaitTrue(
        [&] { return client->control().completed.count.load() == before + client->slots(); });
  };
  for (int round = 0; round < kRounds; ++round) {  // far more doorbells than the socket holds
    ASSERT_TRUE(push_all());
  }
  FetchAndExpect(bystander.get(), {1, 2, 3});
  client->control().completed.asleep.store(0);
  char doorbells[64];
  EXPECT_GT(recv(client->connection(), doorbells, sizeof(doorbells), MSG_DONTWAIT), 0);
  ExpectFetched(client.get(), 3, {3});
}

TEST_F(AttachmentTest, AClientSendsJunk) {
  StartStore(kAllInRam);
  const auto bystander = NewClient();
  const auto client = NewClient();
  const size_t descriptors = CountDescriptors();
  const UniqueFd memfd = NewMemfd(4096);
  const std::string junk(60'000, '\xFF');
  for (int round = 0; round < kRounds; ++round) {
    client->Ring(1 + static_cast<size_t>(round) % 100);
    SendWithFds(client->connection(), junk.data(), 1 + static_cast<size_t>(round) * 37 % 5000,
                {memfd.get(), memfd.get()}, MSG_DONTWAIT);
    if (round % 10 == 0) {
      FetchAndExpect(bystander.get(), {static_cast<uint32_t>(round)});
      FetchAndExpect(client.get(), {static_cast<uint32_t>(round)});
    }
  }
  const shm::AttachRequest again = RequestFor(8, client->region_bytes());
  EXPECT_TRUE(SendWithFds(client->connection(), &again, sizeof(again), {memfd.get()}));
  FetchAndExpect(client.get(), {7});
  EXPECT_EQ(CountDescriptors(), descriptors + 1) << "its own memfd";
}

TEST_F(AttachmentTest, AClientScribblesOverTheControlPageAndTheSlots) {
  StartStore(kAllInRam);
  const auto bystander = NewClient();
  for (int value = 0; value < 256; ++value) {
    const auto client = NewClient();
    client->Prepare(0, *table_, {1});
    client->Push(0);
    std::memset(client->At(0), value, shm::DataOffset(client->slots()));
    client->Ring();
    FetchAndExpect(bystander.get(), {static_cast<uint32_t>(value)});
  }
  AwaitTrue([&] { return attachments_->stats().attachments == 1; });
  EXPECT_EQ(attachments_->stats().attachments, 1U);
}

}  // namespace
}  // namespace engram::server
