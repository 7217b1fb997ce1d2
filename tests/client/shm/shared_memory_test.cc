// Fetches by shared memory from a real daemon, beside what tests/client tests of every transport.
#include <algorithm>
#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/time/clock.h"
#include "client/checkpoint/self_describing.h"
#include "client/engram_client.h"
#include "gmock/gmock.h"
#include "tests/client/client_testing.h"

namespace engram {
namespace {

using testing::Each;
using testing::HasSubstr;

class SharedMemoryTest : public testing::Test {
 protected:
  absl::Status Check(const std::vector<uint32_t>& ids, absl::Span<const std::byte> rows) {
    return CheckSelfDescribingRows(daemon_.key(), ids, rows, table_->spec().row_bytes);
  }

  absl::Status FetchAndCheck(const std::vector<uint32_t>& ids, absl::Span<std::byte> rows) {
    std::fill(rows.begin(), rows.end(), std::byte{0xEE});
    const absl::Status status = table_->Fetch(ids, rows);
    return status.ok() ? Check(ids, rows) : status;
  }

  size_t Bytes(const std::vector<uint32_t>& ids) const {
    return ids.size() * table_->spec().row_bytes;
  }

  RowBuffer NewRowBuffer(size_t bytes) {
    auto buffer = client_->NewRowBuffer(bytes);
    EXPECT_TRUE(buffer.ok()) << buffer.status();
    return *std::move(buffer);
  }

  // Fetches until memory is shared again.
  void AwaitSharing() {
    const std::vector<uint32_t> ids = RandomIds(*table_, 1, 1);
    std::vector<std::byte> rows = MakeOutput(*table_, ids);
    const absl::Time end = absl::Now() + absl::Seconds(60);
    while (!client_->shared_memory().ok() && absl::Now() < end) {
      ASSERT_EQ(FetchAndCheck(ids, absl::MakeSpan(rows)), absl::OkStatus());
    }
    ASSERT_EQ(client_->shared_memory(), absl::OkStatus());
  }

  Daemon daemon_{Transport::kShared};
  std::unique_ptr<Client> client_ = MustConnect(daemon_.address(), Transport::kShared);
  std::unique_ptr<Table> table_ = MustOpen(*client_);
};

TEST_F(SharedMemoryTest, RowBuffersArePagesThatCanBeShared) {
  const RowBuffer buffer = NewRowBuffer(5000);
  EXPECT_TRUE(buffer.shareable());
  EXPECT_EQ(buffer.bytes().size(), 8192u);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(buffer.bytes().data()) % 4096, 0u);
}

TEST_F(SharedMemoryTest, FetchesIntoRowBuffersAndElsewhere) {
  for (uint32_t i = 0; i < 50; ++i) {
    const std::vector<uint32_t> ids = RandomIds(*table_, 1 + i * 3, i);
    const RowBuffer buffer = NewRowBuffer(Bytes(ids));
    EXPECT_EQ(FetchAndCheck(ids, buffer.bytes().first(Bytes(ids))), absl::OkStatus());
    std::vector<std::byte> elsewhere = MakeOutput(*table_, ids);
    EXPECT_EQ(FetchAndCheck(ids, absl::MakeSpan(elsewhere)), absl::OkStatus());
  }
}

TEST_F(SharedMemoryTest, FetchesIntoPartsOfARowBuffer) {
  const std::vector<uint32_t> ids = RandomIds(*table_, 4, 1);
  const RowBuffer buffer = NewRowBuffer(3 * Bytes(ids));
  const absl::Span<std::byte> all = buffer.bytes();
  std::fill(all.begin(), all.end(), std::byte{0x55});
  const auto middle = all.subspan(Bytes(ids), Bytes(ids));
  std::vector<Tier> tiers(4);
  ASSERT_EQ(table_->Fetch(ids, middle, {.tiers = absl::MakeSpan(tiers)}), absl::OkStatus());
  EXPECT_EQ(Check(ids, middle), absl::OkStatus());
  EXPECT_THAT(tiers, Each(Tier::kCold));
  EXPECT_THAT(all.first(Bytes(ids)), Each(std::byte{0x55}));
  EXPECT_THAT(all.subspan(2 * Bytes(ids)), Each(std::byte{0x55}));
}

TEST_F(SharedMemoryTest, MoreFetchesThanSlots) {
  constexpr uint32_t kFetches = 300;
  const std::vector<uint32_t> first = RandomIds(*table_, 2, 0);
  std::vector<std::vector<std::byte>> rows(kFetches, MakeOutput(*table_, first));
  std::vector<Ticket> tickets;
  for (uint32_t i = 0; i < kFetches; ++i) {
    tickets.push_back(table_->Submit(RandomIds(*table_, 2, i), absl::MakeSpan(rows[i])));
  }
  for (uint32_t i = 0; i < kFetches; ++i) {
    ASSERT_EQ(tickets[i].Wait(), absl::OkStatus());
    EXPECT_EQ(Check(RandomIds(*table_, 2, i), rows[i]), absl::OkStatus());
  }
}

TEST_F(SharedMemoryTest, WithoutMemoryLeftFetchesGoByGrpc) {
  std::vector<RowBuffer> buffers;
  for (size_t bytes = size_t{16} << 20; bytes >= 4096; bytes /= 2) {
    for (RowBuffer buffer = NewRowBuffer(bytes); buffer.shareable(); buffer = NewRowBuffer(bytes)) {
      buffers.push_back(std::move(buffer));
    }
  }
  const std::vector<uint32_t> ids = RandomIds(*table_, 40, 1);
  std::vector<std::byte> rows = MakeOutput(*table_, ids);
  EXPECT_EQ(FetchAndCheck(ids, absl::MakeSpan(rows)), absl::OkStatus());
  EXPECT_EQ(FetchAndCheck(ids, buffers[0].bytes().first(Bytes(ids))), absl::OkStatus());
  EXPECT_FALSE(NewRowBuffer(1).shareable());
  EXPECT_EQ(client_->shared_memory(), absl::OkStatus());
}

TEST_F(SharedMemoryTest, RowBuffersServeOnAfterARestart) {
  const std::vector<uint32_t> ids = RandomIds(*table_, 10, 1);
  const RowBuffer buffer = NewRowBuffer(Bytes(ids));
  const auto rows = buffer.bytes().first(Bytes(ids));
  for (int i = 0; i < 3; ++i) {
    ASSERT_EQ(FetchAndCheck(ids, rows), absl::OkStatus());
    daemon_.Stop();
    std::thread restart([this] { daemon_.Start(); });
    EXPECT_EQ(FetchAndCheck(ids, rows), absl::OkStatus());
    restart.join();
    AwaitSharing();
  }
}

TEST_F(SharedMemoryTest, TicketsOfADaemonThatIsGoneAreMadeGoodByTheNext) {
  std::vector<std::vector<std::byte>> rows;
  std::vector<Ticket> tickets;
  for (uint32_t i = 0; i < 20; ++i) {
    const std::vector<uint32_t> ids = RandomIds(*table_, 30, i);
    rows.push_back(MakeOutput(*table_, ids));
    tickets.push_back(table_->Submit(ids, absl::MakeSpan(rows.back())));
  }
  daemon_.Start();
  AwaitSharing();
  for (uint32_t i = 0; i < 20; ++i) {
    EXPECT_EQ(tickets[i].Wait(), absl::OkStatus());
    EXPECT_EQ(Check(RandomIds(*table_, 30, i), rows[i]), absl::OkStatus());
  }
}

TEST_F(SharedMemoryTest, ManyThreadsIntoOneRowBuffer) {
  const RowBuffer buffer = NewRowBuffer(size_t{8} * 40 * 8 * 264);
  std::vector<std::thread> threads;
  for (uint32_t t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      for (uint32_t i = 0; i < 200; ++i) {
        const std::vector<uint32_t> ids = RandomIds(*table_, 1 + i % 40, t * 1000 + i);
        const auto rows = buffer.bytes().subspan(size_t{t} * 40 * 8 * 264, Bytes(ids));
        ASSERT_EQ(FetchAndCheck(ids, rows), absl::OkStatus());
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
}

TEST_F(SharedMemoryTest, OutlivesItsClient) {
  const std::vector<uint32_t> ids = RandomIds(*table_, 10, 1);
  const RowBuffer buffer = NewRowBuffer(Bytes(ids));
  client_.reset();
  const auto rows = buffer.bytes().first(Bytes(ids));
  EXPECT_EQ(FetchAndCheck(ids, rows), absl::OkStatus());
  Ticket ticket = table_->Submit(ids, rows);
  table_.reset();
  EXPECT_EQ(ticket.Wait(), absl::OkStatus());
}

TEST(SharedMemoryRefusedTest, IsDoneWithout) {
  server::ServerOptions options;
  options.max_shared_bytes = 0;
  const Daemon daemon(Transport::kShared, 1, options);
  const auto client = MustConnect(daemon.address());
  EXPECT_THAT(std::string(client->shared_memory().message()), HasSubstr("no shared memory"));
  auto refused = Client::Connect(TestClientOptions(daemon.address(), Transport::kShared));
  ASSERT_TRUE(refused.ok()) << refused.status();
  EXPECT_TRUE(absl::IsResourceExhausted((*refused)->shared_memory()))
      << (*refused)->shared_memory();
  const auto table = MustOpen(**refused);
  const std::vector<uint32_t> ids = RandomIds(*table, 10, 1);
  const auto buffer = (*refused)->NewRowBuffer(ids.size() * 264);
  ASSERT_TRUE(buffer.ok());
  const auto rows = buffer->bytes().first(ids.size() * 264);
  ASSERT_EQ(table->Fetch(ids, rows), absl::OkStatus());
  EXPECT_EQ(CheckSelfDescribingRows(daemon.key(), ids, rows, 264), absl::OkStatus());
}

TEST(SharedMemoryRefusedTest, ByTcpThereIsNone) {
  const Daemon daemon(Transport::kTcp);
  auto client = Client::Connect(TestClientOptions(daemon.address(), Transport::kShared));
  ASSERT_TRUE(client.ok()) << client.status();
  EXPECT_TRUE(absl::IsUnavailable((*client)->shared_memory()));
  EXPECT_THAT(std::string((*client)->shared_memory().message()), HasSubstr("Unix socket"));
}

// A gRPC server that knows nothing of shared memory, as daemons before it.
TEST(SharedMemoryRefusedTest, AnOlderDaemonIsDoneWithout) {
  FakeDaemon daemon(Transport::kUnix, [](const v1::FetchRequest& request, int /*attempt*/) {
    return FakeDaemon::Answer{.message = RightAnswer(request).SerializeAsString()};
  });
  auto client = Client::Connect(TestClientOptions(daemon.address(), Transport::kShared));
  ASSERT_TRUE(client.ok()) << client.status();
  EXPECT_FALSE((*client)->shared_memory().ok());
  const auto table = MustOpen(**client, "any");
  const std::vector<uint32_t> ids = {1, 2, 3, 4};
  std::vector<std::byte> rows = MakeOutput(*table, ids);
  EXPECT_EQ(table->Fetch(ids, absl::MakeSpan(rows)), absl::OkStatus());
}

}  // namespace
}  // namespace engram
