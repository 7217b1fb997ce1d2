// Clients that break the rules: they are detached, and harm neither others nor the daemon.
#include <atomic>
#include <cstdint>
#include <cstring>
#include <functional>
#include <limits>
#include <memory>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/clock.h"
#include "absl/types/span.h"
#include "client/checkpoint/self_describing.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/server/shm/attachments_testing.h"
#include "tests/server/shm/raw_client.h"

namespace engram::server {
namespace {

using absl::StatusCode;
using storage::Tier;
using testing::Each;

constexpr uint64_t kMost = std::numeric_limits<uint64_t>::max();

class HostileClientTest : public SharedMemoryTest {
 protected:
  // Expects that a client that does this is detached, and that one beside it is served on.
  void ExpectDetached(const std::function<void(RawClient*)>& breach) {
    const auto bystander = NewClient();
    const auto client = NewClient();
    FetchAndExpect(bystander.get(), {1});
    FetchAndExpect(client.get(), {2});
    breach(client.get());
    EXPECT_TRUE(AwaitClosed(client->connection()));
    FetchAndExpect(bystander.get(), {3, 4});
    EXPECT_TRUE(AwaitTrue([&] { return attachments_->stats().attachments == 1; }));
    EXPECT_EQ(attachments_->stats().bytes, bystander->region_bytes());
    EXPECT_EQ(CountMappings("engram-raw-client"), 3U) << "both clients', and the daemon's one";
  }

  void ExpectDetachedFor(const std::function<void(shm::Call*)>& change) {
    ExpectDetached([&](RawClient* client) {
      change(&client->Prepare(3, *table_, {1, 2, 3}));
      client->Push(3);
    });
  }
};

TEST_F(HostileClientTest, ASlotThatIsNone) {
  StartStore(kAllInRam);
  for (const uint32_t slot : {8U, 9U, 128U, 1U << 31, 0xFFFFFFFFU}) {
    ExpectDetached([=](RawClient* client) { client->Push(slot); });
  }
}

TEST_F(HostileClientTest, ACountThatJumps) {
  StartStore(kAllInRam);
  for (const uint32_t jump : {9U, 10U, 1U << 31, 0xFFFFFFFFU}) {
    ExpectDetached([=](RawClient* client) {
      client->control().submitted.count.fetch_add(jump);
      client->Ring();
    });
  }
}

TEST_F(HostileClientTest, ASlotWhoseFetchIsUnderWay) {
  StartStore(0);
  ExpectDetached([&](RawClient* client) {
    const std::atomic<uint32_t>& completed = client->control().completed.count;
    // The fetch may end before the daemon has seen that its slot was pushed again. Then the second
    // one is as good as any, and the next round tries again.
    for (uint32_t before = completed; completed == before; before += 2) {
      gate_.Close();
      client->Prepare(4, *table_, Ids(10, 1));
      client->PushSilently(4);
      client->Push(4);
      // It is not read at all if the client is detached before.
      EXPECT_TRUE(AwaitTrue([&] { return gate_.waiting() > 0 || completed != before; }));
      absl::SleepFor(absl::Milliseconds(1));
      gate_.Open();
      EXPECT_TRUE(AwaitTrue([&] { return completed != before; }));
      AwaitTrue([&] { return completed == before + 2 || HasHungUp(client->connection()); });
    }
  });
}

TEST_F(HostileClientTest, OffsetsThatAreNotInTheData) {
  StartStore(kAllInRam);
  const uint64_t data = shm::DataOffset(8);
  const uint64_t end = RawClient().region_bytes();
  const uint64_t kWrong[] = {0,   4096,      data - 1,   data - 4,        end - 1,
                             end, end + 128, 1ull << 63, kMost - 1000000, kMost};
  for (const uint64_t offset : kWrong) {
    ExpectDetachedFor([=](shm::Call* call) { call->ids_offset = offset; });
    ExpectDetachedFor([=](shm::Call* call) { call->rows_offset = offset; });
    ExpectDetachedFor([=](shm::Call* call) { call->tiers_offset = offset; });
  }
}

TEST_F(HostileClientTest, LengthsThatAreNotInTheData) {
  StartStore(kAllInRam);
  const uint64_t region = RawClient().region_bytes();
  for (const uint64_t bytes : {region, uint64_t{1} << 63, kMost - 4096, kMost}) {
    ExpectDetachedFor([=](shm::Call* call) { call->rows_bytes = bytes; });
    ExpectDetachedFor([=](shm::Call* call) { call->tiers_bytes = bytes; });
    // The sum of offset and length is small again.
    ExpectDetachedFor([=](shm::Call* call) { call->rows_bytes = 0 - call->rows_offset + 8192; });
    ExpectDetachedFor([=](shm::Call* call) { call->tiers_bytes = 0 - call->tiers_offset + 8192; });
  }
  for (const uint32_t ids : {static_cast<uint32_t>(region / 4), 1U << 30, 1U << 31, 0xFFFFFFFFU}) {
    ExpectDetachedFor([=](shm::Call* call) { call->ids = ids; });
  }
}

TEST_F(HostileClientTest, OutputsThatLieOverOneAnother) {
  StartStore(kAllInRam);
  const auto client = NewClient();
  for (int round = 0; round < 2; ++round) {  // from disk, from RAM
    shm::Call& call = client->Prepare(0, *table_, {11, 12, 13});
    call.rows_offset = call.ids_offset;
    call.tiers_offset = call.ids_offset + 300;
    EXPECT_TRUE(client->PushAndTake(0).ok());
  }
  FetchAndExpect(client.get(), {11, 12, 13});
  EXPECT_THAT(client->tiers(0), Each(Tier::kRam));
}

// Writes 0xFF to memory that it shares, all the time while it lives.
class Scribbler {
 public:
  explicit Scribbler(absl::Span<std::byte> memory)
      : thread_([this, memory] {
          while (!done_.load(std::memory_order_relaxed)) {
            std::memset(memory.data(), 0xFF, memory.size());
            std::atomic_signal_fence(std::memory_order_seq_cst);
          }
        }) {}
  ~Scribbler() {
    done_ = true;
    thread_.join();
  }

 private:
  std::atomic<bool> done_{false};
  std::thread thread_;
};

TEST_F(HostileClientTest, WritesToItsRowsDoNotGetIntoRam) {
  StartStore(kAllInRam);
  const auto client = NewClient();
  const std::vector<uint32_t> all = storage::AllIds(kTable);
  constexpr size_t kBatch = 40;
  size_t next = 0;
  const auto submit = [&](uint32_t slot) {
    const std::vector<uint32_t> ids(all.begin() + static_cast<ptrdiff_t>(next),
                                    all.begin() + static_cast<ptrdiff_t>(next + kBatch));
    next += kBatch;
    shm::Call& call = client->Prepare(slot, *table_, ids);
    // Rows of all slots lie together, where nothing else does.
    call.rows_offset = shm::DataOffset(client->slots()) + (1 << 20) + slot * call.rows_bytes;
    client->Push(slot);
  };
  {
    const size_t rows_bytes = client->slots() * kBatch * kTable.row_bytes;
    const Scribbler scribbler(client->data().subspan(1 << 20, rows_bytes));
    for (uint32_t slot = 0; slot < 4; ++slot) {
      submit(slot);
    }
    for (size_t taken = 0; taken < all.size() / kBatch; ++taken) {
      const auto slot = client->Take();
      ASSERT_TRUE(slot.has_value());
      ASSERT_TRUE(client->outcome(*slot).ok()) << client->outcome(*slot);
      if (next < all.size()) {
        submit(*slot);
      }
    }
  }
  // Nearly all: where the index has no place for two groups, the cache keeps one of them.
  EXPECT_GT(storage::ExpectRows(store_.get(), table_, kTable, all), all.size() * 95 / 100);
}

// Ids that change while the daemon looks at them: what it checked is what it fetches.
TEST_F(HostileClientTest, ChangesIdsBehindTheDaemonsBack) {
  StartStore(1 << 20);
  const auto client = NewClient();
  const auto bystander = NewClient();
  constexpr uint32_t kIds[] = {17, 0xFFFFFFFF, 19'999, 20'000};
  client->Prepare(0, *table_, {17, 17, 17});
  std::atomic_ref<uint32_t> flipped(
      *reinterpret_cast<uint32_t*>(client->At(client->slot(0).call.ids_offset) + 4));
  std::atomic<bool> done{false};
  std::thread flipping([&] {
    for (size_t i = 0; !done.load(std::memory_order_relaxed); ++i) {
      flipped.store(kIds[i % 4], std::memory_order_relaxed);
    }
  });
  for (int round = 0; round < (storage::kSanitized ? 500 : 5000); ++round) {
    const absl::Status status = client->PushAndTake(0);
    if (status.ok()) {
      const auto row = ReadSelfDescribingHeader(client->rows(0).subspan(kTable.row_bytes));
      ASSERT_TRUE(row.has_value());
      EXPECT_TRUE(row->row_id == 17 || row->row_id == 19'999) << row->row_id;
    } else {
      ASSERT_EQ(status.code(), StatusCode::kOutOfRange) << status;
    }
  }
  done = true;
  flipping.join();
  FetchAndExpect(bystander.get(), {17, 19'999});
}

// The same for the fixed part of a call, and its slot: all may come of it, but harm to others.
TEST_F(HostileClientTest, ChangesCallsBehindTheDaemonsBack) {
  StartStore(1 << 20);
  const auto bystander = NewClient();
  std::unique_ptr<RawClient> client;
  for (int round = 0; round < (storage::kSanitized ? 100 : 500); ++round) {
    if (client == nullptr) {
      client = NewClient();
    }
    shm::Call& call = client->Prepare(0, *table_, {1, 2, 3});
    client->Push(0);
    volatile uint64_t* const fields[] = {&call.ids_offset,   &call.rows_offset, &call.rows_bytes,
                                         &call.tiers_offset, &call.tiers_bytes, &call.version};
    for (volatile uint64_t* field : fields) {
      *field = kMost - static_cast<uint64_t>(round);
    }
    *static_cast<volatile uint32_t*>(&call.ids) = 0xFFFFFFFF;
    *static_cast<volatile uint32_t*>(&call.name_bytes) = 0xFFFFFFFF;
    if (!client->Take().has_value()) {
      client.reset();
    }
    FetchAndExpect(bystander.get(), {static_cast<uint32_t>(round)});
  }
}

}  // namespace
}  // namespace engram::server
