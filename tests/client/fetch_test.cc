// Fetches from a real daemon.
#include <algorithm>
#include <atomic>
#include <random>
#include <thread>
#include <tuple>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/checkpoint/self_describing.h"
#include "gmock/gmock.h"
#include "tests/client/client_testing.h"

namespace engram {
namespace {

using testing::Each;
using testing::HasSubstr;

class FetchTest : public testing::TestWithParam<Transport> {
 protected:
  absl::Status Check(const std::vector<uint32_t>& ids, const std::vector<std::byte>& rows) {
    return CheckSelfDescribingRows(daemon_.key(), ids, rows, table_->spec().row_bytes);
  }
  absl::Status FetchAndCheck(const std::vector<uint32_t>& ids, const FetchOptions& options = {}) {
    std::vector<std::byte> rows = MakeOutput(*table_, ids);
    const absl::Status status = table_->Fetch(ids, absl::MakeSpan(rows), options);
    return status.ok() ? Check(ids, rows) : status;
  }

  Daemon daemon_{GetParam()};
  std::unique_ptr<Client> client_ = MustConnect(daemon_.address(), GetParam());
  std::unique_ptr<Table> table_ = MustOpen(*client_);
};

TEST_P(FetchTest, TableIsWhatWasImported) {
  EXPECT_EQ(table_->name(), "t/layer1");
  EXPECT_EQ(table_->version(), 1u);
  EXPECT_EQ(table_->digest().size(), 16u);
  const TableSpec& spec = table_->spec();
  EXPECT_GT(spec.rows, 24u * 200);
  EXPECT_EQ(spec.row_bytes, 264u);
  EXPECT_EQ(spec.value_format, ValueFormat::kFp8E4m3E8m0);
  EXPECT_EQ(spec.values_per_row, 256u);
  EXPECT_EQ(spec.scale_block, 32u);
  EXPECT_EQ(spec.scalar_scale, 1.0F);
  EXPECT_EQ(spec.group_size, 8u);
  EXPECT_EQ(spec.orders, (std::vector<uint32_t>{2, 3, 4}));
  EXPECT_GT(table_->max_fetch_rows(), spec.rows);
  EXPECT_EQ(table_->max_fetch_rows() % spec.group_size, 0u);
}

TEST_P(FetchTest, EveryRow) {
  std::vector<uint32_t> ids(table_->spec().rows / 8 * 8);
  for (size_t i = 0; i < ids.size(); ++i) {
    ids[i] = static_cast<uint32_t>(table_->spec().rows - 1 - i);
  }
  EXPECT_EQ(FetchAndCheck(ids), absl::OkStatus());
}

TEST_P(FetchTest, SameGroupManyTimes) {
  std::vector<uint32_t> ids;
  for (int i = 0; i < 100; ++i) {
    for (const uint32_t id : {9, 9, 8, 7, 6, 5, 4, 0}) {
      ids.push_back(id);
    }
  }
  EXPECT_EQ(FetchAndCheck(ids), absl::OkStatus());
}

TEST_P(FetchTest, TiersTurnFromColdToRam) {
  const std::vector<uint32_t> ids = RandomIds(*table_, 3, 1);
  std::vector<Tier> tiers(3, Tier::kWarm);
  ASSERT_EQ(FetchAndCheck(ids, {.tiers = absl::MakeSpan(tiers)}), absl::OkStatus());
  EXPECT_THAT(tiers, Each(Tier::kCold));
  for (int i = 0; i < 10; ++i) {
    ASSERT_EQ(FetchAndCheck(ids, {.tiers = absl::MakeSpan(tiers)}), absl::OkStatus());
  }
  EXPECT_THAT(tiers, Each(Tier::kRam));
}

// However little time there is, a group is right or absent; and in time it is there.
TEST_P(FetchTest, PartialAnswers) {
  size_t absent = 0;
  for (uint32_t seed = 0; absent == 0; ++seed) {
    const std::vector<uint32_t> ids = RandomIds(*table_, 20, seed);
    std::vector<Tier> tiers(20);
    std::vector<std::byte> rows = MakeOutput(*table_, ids);
    ASSERT_EQ(table_->Fetch(ids, absl::MakeSpan(rows),
                            {.deadline = absl::Now() + absl::Microseconds(1),
                             .tiers = absl::MakeSpan(tiers),
                             .partial = true}),
              absl::OkStatus());
    for (size_t group = 0; group < 20; ++group) {
      const auto of_group = absl::MakeConstSpan(rows).subspan(group * 8 * 264, size_t{8} * 264);
      if (tiers[group] == Tier::kAbsent) {
        ++absent;
        EXPECT_THAT(of_group, Each(std::byte{0xFF}));
      } else {
        const auto begin = ids.begin() + static_cast<ptrdiff_t>(group * 8);
        EXPECT_EQ(Check({begin, begin + 8}, {of_group.begin(), of_group.end()}), absl::OkStatus());
      }
    }
  }
  const std::vector<uint32_t> ids = RandomIds(*table_, 20, 1000);
  std::vector<Tier> tiers(20);
  EXPECT_EQ(FetchAndCheck(ids, {.deadline = absl::Now() + absl::Minutes(1),
                                .tiers = absl::MakeSpan(tiers),
                                .partial = true}),
            absl::OkStatus());
  EXPECT_THAT(tiers, Each(testing::Ne(Tier::kAbsent)));
}

TEST_P(FetchTest, APartialAnswerComesHoweverLongTheDeadlineIsPast) {
  const std::vector<uint32_t> ids = RandomIds(*table_, 2, 1);
  std::vector<Tier> tiers(2);
  for (const absl::Time deadline : {absl::InfinitePast(), absl::Now() - absl::Minutes(1)}) {
    std::vector<std::byte> rows = MakeOutput(*table_, ids);
    EXPECT_EQ(
        table_->Fetch(ids, absl::MakeSpan(rows),
                      {.deadline = deadline, .tiers = absl::MakeSpan(tiers), .partial = true}),
        absl::OkStatus());
  }
}

TEST_P(FetchTest, PartialAnswersNeedTiers) {
  const absl::Status status = FetchAndCheck(RandomIds(*table_, 1, 1), {.partial = true});
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(status.message(), HasSubstr("tiers"));
}

TEST_P(FetchTest, AnnouncedRowsComeFromMemory) {
  std::vector<Tier> tiers(3);
  // Hints are sent, not waited for; the first fetch that comes after the read finds them.
  uint32_t seed = 1;
  do {
    const std::vector<uint32_t> announced = RandomIds(*table_, 3, ++seed);
    ASSERT_EQ(table_->Prefetch(announced), absl::OkStatus());
    absl::SleepFor(absl::Milliseconds(seed));
    ASSERT_EQ(FetchAndCheck(announced, {.tiers = absl::MakeSpan(tiers)}), absl::OkStatus());
  } while (tiers != std::vector<Tier>(3, Tier::kRam));
}

TEST_P(FetchTest, HintsAreCheckedAndBounded) {
  EXPECT_EQ(table_->Prefetch({}).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(table_->Prefetch(std::vector<uint32_t>(7, 1)).code(),
            absl::StatusCode::kInvalidArgument);
  const absl::Status out =
      table_->Prefetch(std::vector<uint32_t>(8, static_cast<uint32_t>(table_->spec().rows)));
  EXPECT_EQ(out.code(), absl::StatusCode::kOutOfRange);
  // With the daemon gone, no hint is lost in silence for ever.
  daemon_.Stop();
  absl::Status status;
  for (int i = 0; i < 1000 && status.ok(); ++i) status = table_->Prefetch(RandomIds(*table_, 1, 1));
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
}

TEST_P(FetchTest, TicketsInAnyOrder) {
  constexpr size_t kTickets = 40;
  std::vector<std::vector<uint32_t>> ids;
  std::vector<std::vector<std::byte>> rows;
  std::vector<Ticket> tickets;
  for (size_t i = 0; i < kTickets; ++i) {
    ids.push_back(RandomIds(*table_, 1 + i * 7 % 50, static_cast<uint32_t>(i)));
    rows.push_back(MakeOutput(*table_, ids.back()));
    tickets.push_back(table_->Submit(ids.back(), absl::MakeSpan(rows.back())));
  }
  for (size_t i = 0; i < kTickets; ++i) {
    const size_t at = (kTickets - 1 - i) * 7 % kTickets;
    ASSERT_EQ(tickets[at].Wait(), absl::OkStatus());
    EXPECT_TRUE(tickets[at].done());
    EXPECT_EQ(tickets[at].Wait(), absl::OkStatus());
    EXPECT_EQ(Check(ids[at], rows[at]), absl::OkStatus());
  }
}

TEST_P(FetchTest, IdsMayGoAfterSubmit) {
  std::vector<uint32_t> ids = RandomIds(*table_, 20, 1);
  const std::vector<uint32_t> asked = ids;
  std::vector<std::byte> rows = MakeOutput(*table_, ids);
  Ticket ticket = table_->Submit(ids, absl::MakeSpan(rows));
  std::fill(ids.begin(), ids.end(), 0);
  ASSERT_EQ(ticket.Wait(), absl::OkStatus());
  EXPECT_EQ(Check(asked, rows), absl::OkStatus());
}

TEST_P(FetchTest, ManyThreads) {
  std::vector<std::thread> threads;
  std::atomic<int> right{0};
  for (uint32_t t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      for (uint32_t i = 0; i < 25; ++i) {
        const absl::Status status = FetchAndCheck(RandomIds(*table_, 1 + i, t * 1000 + i));
        EXPECT_EQ(status, absl::OkStatus());
        right += status.ok() ? 1 : 0;
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(right, 8 * 25);
}

TEST_P(FetchTest, ManyThreadsGiveUpAtRandom) {
  std::vector<std::thread> threads;
  for (uint32_t t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      std::mt19937 engine(t);
      const auto random = [&engine] { return static_cast<uint32_t>(engine()); };
      for (int i = 0; i < 60; ++i) {
        // Answers of a few KiB up to some over 64 KiB.
        const std::vector<uint32_t> ids = RandomIds(*table_, 1 + random() % 60, random());
        std::vector<std::byte> rows = MakeOutput(*table_, ids);
        const absl::Duration patience = absl::Microseconds(random() % 2000);
        const auto way = random() % 4;
        const absl::Time deadline = way == 0 ? absl::Now() + patience : absl::InfiniteFuture();
        {
          Ticket ticket = table_->Submit(ids, absl::MakeSpan(rows), {.deadline = deadline});
          if (way == 1) {
            absl::SleepFor(patience);
            ticket.Cancel();
          }
          const absl::Status status = way == 2 ? absl::CancelledError() : ticket.Wait();
          if (status.ok()) {
            ASSERT_EQ(Check(ids, rows), absl::OkStatus());
          } else {
            ASSERT_EQ(status.code(),
                      way == 0 ? absl::StatusCode::kDeadlineExceeded : absl::StatusCode::kCancelled)
                << way << ": " << status;
            ASSERT_NE(way, 3);
          }
        }
        // Nothing is written any more, and what is fetched here next is not mixed up with it.
        std::fill(rows.begin(), rows.end(), std::byte{0x55});
        ASSERT_EQ(FetchAndCheck(RandomIds(*table_, 1, random())), absl::OkStatus());
        ASSERT_TRUE(std::all_of(rows.begin(), rows.end(),
                                [](std::byte byte) { return byte == std::byte{0x55}; }));
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
}

TEST_P(FetchTest, TableOutlivesClient) {
  client_.reset();
  EXPECT_EQ(FetchAndCheck(RandomIds(*table_, 5, 1)), absl::OkStatus());
}

TEST_P(FetchTest, TicketOutlivesClientAndTable) {
  const std::vector<uint32_t> ids = RandomIds(*table_, 500, 1);
  std::vector<std::byte> rows = MakeOutput(*table_, ids);
  Ticket ticket = table_->Submit(ids, absl::MakeSpan(rows));
  const size_t row_bytes = table_->spec().row_bytes;
  client_.reset();
  table_.reset();
  ASSERT_EQ(ticket.Wait(), absl::OkStatus());
  EXPECT_EQ(CheckSelfDescribingRows(daemon_.key(), ids, rows, row_bytes), absl::OkStatus());
}

TEST_P(FetchTest, DestroyedTicketsWriteNoMore) {
  for (uint32_t i = 0; i < 100; ++i) {
    const std::vector<uint32_t> ids = RandomIds(*table_, 200, i);
    std::vector<std::byte> rows = MakeOutput(*table_, ids);
    {
      const Ticket ticket = table_->Submit(ids, absl::MakeSpan(rows));
      if (i % 4 != 0) {
        absl::SleepFor(absl::Microseconds(i * 20));
      }
    }
    std::fill(rows.begin(), rows.end(), std::byte{0x55});
    // By the time that a later fetch was answered, an earlier one would have been.
    ASSERT_EQ(FetchAndCheck(RandomIds(*table_, 1, i)), absl::OkStatus());
    ASSERT_TRUE(std::all_of(rows.begin(), rows.end(),
                            [](std::byte byte) { return byte == std::byte{0x55}; }));
  }
}

TEST_P(FetchTest, CancelledTickets) {
  for (uint32_t i = 0; i < 50; ++i) {
    const std::vector<uint32_t> ids = RandomIds(*table_, 200, i);
    std::vector<std::byte> rows = MakeOutput(*table_, ids);
    Ticket ticket = table_->Submit(ids, absl::MakeSpan(rows));
    absl::SleepFor(absl::Microseconds(i * 30));
    const bool was_done = ticket.done();
    ticket.Cancel();
    const absl::Status status = ticket.Wait();
    if (was_done) {
      EXPECT_EQ(status, absl::OkStatus());
    }
    if (status.ok()) {
      EXPECT_EQ(Check(ids, rows), absl::OkStatus());
    } else {
      EXPECT_TRUE(absl::IsCancelled(status)) << status;
    }
  }
  EXPECT_EQ(FetchAndCheck(RandomIds(*table_, 1, 1)), absl::OkStatus());
}

TEST_P(FetchTest, DeadlineInThePast) {
  const absl::Status status =
      FetchAndCheck(RandomIds(*table_, 1, 1), {.deadline = absl::Now() - absl::Seconds(1)});
  EXPECT_TRUE(absl::IsDeadlineExceeded(status)) << status;
}

TEST_P(FetchTest, DroppedTableIsNotFound) {
  daemon_.Drop();
  const absl::Status status = FetchAndCheck(RandomIds(*table_, 1, 1));
  EXPECT_TRUE(absl::IsNotFound(status)) << status;
  EXPECT_THAT(status.message(), HasSubstr("t/layer1"));
  EXPECT_TRUE(absl::IsNotFound(client_->OpenTable("t/layer1").status()));
}

TEST_P(FetchTest, UnknownTablesAndVersions) {
  for (const auto& [name, version] :
       {std::tuple("t/layer2", 0), std::tuple("t/layer1", 2), std::tuple("", 0)}) {
    const absl::Status status = client_->OpenTable(name, static_cast<uint64_t>(version)).status();
    EXPECT_TRUE(absl::IsNotFound(status)) << status;
    EXPECT_THAT(status.message(), HasSubstr(absl::StrCat("\"", name, "\"")));
  }
  EXPECT_TRUE(client_->OpenTable("t/layer1", 1).ok());
}

TEST_P(FetchTest, SeveralConnections) {
  ClientOptions options = TestClientOptions(daemon_.address(), GetParam());
  options.connections = 3;
  auto client = Client::Connect(options);
  ASSERT_TRUE(client.ok()) << client.status();
  table_ = MustOpen(**client);
  for (uint32_t i = 0; i < 12; ++i) {
    EXPECT_EQ(FetchAndCheck(RandomIds(*table_, 30, i)), absl::OkStatus());
  }
}

INSTANTIATE_TEST_SUITE_P(All, FetchTest,
                         testing::Values(Transport::kUnix, Transport::kTcp, Transport::kShared),
                         TransportName);

}  // namespace
}  // namespace engram
