// Calls whose daemon fails, stops, or answers nonsense.
#include "client/unary_call.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <functional>
#include <set>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "tests/client/client_testing.h"

namespace engram {
namespace {

using testing::AllOf;
using testing::HasSubstr;

const std::vector<uint32_t> kIds = {7, 99, 0, 7};

std::vector<uint32_t> AsIds(const std::vector<std::byte>& rows) {
  std::vector<uint32_t> ids(rows.size() / sizeof(uint32_t));
  std::memcpy(ids.data(), rows.data(), rows.size());
  return ids;
}

FakeDaemon::Answer Right(const v1::FetchRequest& request) {
  return {.status = {}, .message = RightAnswer(request).SerializeAsString()};
}

FakeDaemon::Answer Fail(grpc::StatusCode code, const std::string& message) {
  return {.status = grpc::Status(code, message), .message = ""};
}

// Opens a table of a fake daemon that follows `script`.
struct Rig {
  explicit Rig(FakeDaemon::Script script, Transport transport = Transport::kUnix,
               int connections = 1)
      : daemon(transport, std::move(script)) {
    ClientOptions options = TestClientOptions(daemon.address());
    options.connections = connections;
    auto connected = Client::Connect(options);
    EXPECT_TRUE(connected.ok()) << connected.status();
    client = *std::move(connected);
    table = MustOpen(*client, "any");
  }

  absl::Status Fetch(const FetchOptions& options = {}) {
    return table->Fetch(kIds, absl::MakeSpan(rows), options);
  }

  FakeDaemon daemon;
  std::unique_ptr<Client> client;
  std::unique_ptr<Table> table;
  std::vector<std::byte> rows = std::vector<std::byte>(kIds.size() * 4);
};

TEST(UnaryCall, RequestSaysWhatTheTableIs) {
  v1::FetchRequest seen;
  Rig rig([&](const v1::FetchRequest& request, int) {
    seen = request;
    return Right(request);
  });
  ASSERT_EQ(rig.Fetch(), absl::OkStatus());
  EXPECT_EQ(AsIds(rig.rows), kIds);
  EXPECT_EQ(seen.table().name(), "any");
  EXPECT_EQ(seen.table().version(), 3u);
  EXPECT_EQ(seen.table().digest(), "0123456789abcdef");
  EXPECT_EQ(std::vector<uint32_t>(seen.row_ids().begin(), seen.row_ids().end()), kIds);
  EXPECT_FALSE(seen.report_tiers());

  std::vector<Tier> tiers(2);
  ASSERT_EQ(rig.Fetch({.tiers = absl::MakeSpan(tiers)}), absl::OkStatus());
  EXPECT_TRUE(seen.report_tiers());
  EXPECT_EQ(tiers, std::vector<Tier>(2, Tier::kRam));
}

TEST(UnaryCall, ConnectionsTakeTurns) {
  Rig rig([](const v1::FetchRequest& request, int) { return Right(request); }, Transport::kTcp, 3);
  for (int i = 0; i < 9; ++i) {
    ASSERT_EQ(rig.Fetch(), absl::OkStatus());
  }
  std::multiset<std::string> fetches;
  for (const std::string& peer : rig.daemon.peers()) {
    fetches.insert(peer);
  }
  const std::set<std::string> peers(fetches.begin(), fetches.end());
  EXPECT_EQ(peers.size(), 3u);
  for (const std::string& peer : peers) {
    EXPECT_EQ(fetches.count(peer), 3u);
  }
}

TEST(UnaryCall, TriesAgainWhileUnavailable) {
  Rig rig([](const v1::FetchRequest& request, int attempt) {
    switch (attempt) {
      case 1:
      case 2:
        return Fail(grpc::StatusCode::UNAVAILABLE, "stopping");
      case 3:
        return Fail(grpc::StatusCode::CANCELLED, "cut off");
      default:
        return Right(request);
    }
  });
  EXPECT_EQ(rig.Fetch(), absl::OkStatus());
  EXPECT_EQ(AsIds(rig.rows), kIds);
  EXPECT_EQ(rig.daemon.fetches(), 4);
}

TEST(UnaryCall, OtherErrorsAreFinal) {
  for (const auto code : {grpc::StatusCode::INVALID_ARGUMENT, grpc::StatusCode::OUT_OF_RANGE,
                          grpc::StatusCode::NOT_FOUND, grpc::StatusCode::FAILED_PRECONDITION,
                          grpc::StatusCode::RESOURCE_EXHAUSTED, grpc::StatusCode::DEADLINE_EXCEEDED,
                          grpc::StatusCode::DATA_LOSS, grpc::StatusCode::INTERNAL}) {
    Rig rig([code](const v1::FetchRequest&, int) { return Fail(code, "so it is"); });
    EXPECT_EQ(rig.Fetch(), absl::Status(static_cast<absl::StatusCode>(code), "so it is"));
    EXPECT_EQ(rig.daemon.fetches(), 1);
  }
}

TEST(UnaryCall, CodesThatNoDaemonSendsAreInternal) {
  Rig rig([](const v1::FetchRequest&, int) {
    return Fail(grpc::StatusCode::PERMISSION_DENIED, "not you");
  });
  const absl::Status status = rig.Fetch();
  EXPECT_TRUE(absl::IsInternal(status)) << status;
  EXPECT_THAT(status.message(), AllOf(HasSubstr("PERMISSION_DENIED"), HasSubstr("not you")));
}

TEST(UnaryCall, AnswersThatDoNotFit) {
  using Change = std::function<void(std::string*)>;
  const auto edit = [](std::function<void(v1::FetchResponse*)> change) -> Change {
    return [change](std::string* message) {
      v1::FetchResponse response;
      response.ParseFromString(*message);
      change(&response);
      *message = response.SerializeAsString();
    };
  };
  const std::pair<const char*, Change> cases[] = {
      {"empty", [](std::string* m) { m->clear(); }},
      {"cut short", [](std::string* m) { m->pop_back(); }},
      {"no message", [](std::string* m) { *m = "\xFF\xFF\xFF\xFF\xFF"; }},
      {"a row too few", edit([](auto* r) { r->mutable_rows()->resize(12); })},
      {"a byte too many", edit([](auto* r) { r->mutable_rows()->push_back('x'); })},
      {"no tiers", edit([](auto* r) { r->clear_tiers(); })},
      {"a tier too many", edit([](auto* r) { r->mutable_tiers()->push_back('\1'); })},
      {"a stream's error", edit([](auto* r) {
         r->Clear();
         r->mutable_error()->set_code(5);
       })},
  };
  for (const auto& [what, change] : cases) {
    Rig rig([&change = change](const v1::FetchRequest& request, int) {
      FakeDaemon::Answer answer = Right(request);
      change(&answer.message);
      return answer;
    });
    std::vector<Tier> tiers(2);
    const absl::Status status = rig.Fetch({.tiers = absl::MakeSpan(tiers)});
    EXPECT_TRUE(absl::IsInternal(status)) << what << ": " << status;
    EXPECT_EQ(rig.daemon.fetches(), 1) << what;
  }
}

TEST(UnaryCall, CancelReachesTheDaemon) {
  Rig rig([](const v1::FetchRequest&, int) { return FakeDaemon::Answer{.hold = true}; });
  Ticket ticket = rig.table->Submit(kIds, absl::MakeSpan(rig.rows));
  rig.daemon.AwaitFetches(1);
  EXPECT_FALSE(ticket.done());
  ticket.Cancel();
  EXPECT_TRUE(absl::IsCancelled(ticket.Wait()));
  rig.daemon.AwaitCancelled(1);
}

TEST(UnaryCall, CancelledAtOnce) {
  Rig rig([](const v1::FetchRequest&, int) { return FakeDaemon::Answer{.hold = true}; });
  Ticket ticket = rig.table->Submit(kIds, absl::MakeSpan(rig.rows));
  ticket.Cancel();
  EXPECT_TRUE(absl::IsCancelled(ticket.Wait()));
}

TEST(UnaryCall, DestructionAndAssignmentCancel) {
  Rig rig([](const v1::FetchRequest&, int) { return FakeDaemon::Answer{.hold = true}; });
  std::vector<std::byte> other(rig.rows.size());
  {
    Ticket ticket = rig.table->Submit(kIds, absl::MakeSpan(rig.rows));
    rig.daemon.AwaitFetches(1);
    Ticket moved = std::move(ticket);
    moved = rig.table->Submit(kIds, absl::MakeSpan(other));
    rig.daemon.AwaitCancelled(1);
    rig.daemon.AwaitFetches(2);
  }
  rig.daemon.AwaitCancelled(2);
}

TEST(UnaryCall, DeadlineReachesTheDaemon) {
  Rig rig([](const v1::FetchRequest&, int) { return FakeDaemon::Answer{.hold = true}; });
  const absl::Status status = rig.Fetch({.deadline = absl::Now() + absl::Milliseconds(200)});
  EXPECT_TRUE(absl::IsDeadlineExceeded(status)) << status;
  rig.daemon.AwaitCancelled(1);
}

TEST(UnaryCall, CancelledBetweenAttempts) {
  Rig rig(
      [](const v1::FetchRequest&, int) { return Fail(grpc::StatusCode::UNAVAILABLE, "stopping"); });
  for (int i = 1; i <= 20; ++i) {
    Ticket ticket = rig.table->Submit(kIds, absl::MakeSpan(rig.rows));
    rig.daemon.AwaitFetches(rig.daemon.fetches() + 1);
    ticket.Cancel();
    EXPECT_TRUE(absl::IsCancelled(ticket.Wait()));
  }
}

TEST(UnaryCall, DeadlineWhileUnavailableNamesTheCause) {
  Rig rig([](const v1::FetchRequest&, int) {
    return Fail(grpc::StatusCode::UNAVAILABLE, "the daemon is stopping");
  });
  const absl::Status status = rig.Fetch({.deadline = absl::Now() + absl::Milliseconds(300)});
  EXPECT_TRUE(absl::IsDeadlineExceeded(status)) << status;
  EXPECT_THAT(status.message(), AllOf(HasSubstr(rig.daemon.address()), HasSubstr("tried for"),
                                      HasSubstr("last: the daemon is stopping")));
  EXPECT_GT(rig.daemon.fetches(), 1);
}

TEST(UnaryCall, GivesUpWithoutADeadline) {
  Rig rig([](const v1::FetchRequest&, int) {
    return Fail(grpc::StatusCode::UNAVAILABLE, "the daemon is stopping");
  });
  const absl::Status status = rig.Fetch();
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
  EXPECT_THAT(status.message(), AllOf(HasSubstr(rig.daemon.address()), HasSubstr("tried for 1"),
                                      HasSubstr("last: the daemon is stopping")));
}

class RestartTest : public testing::TestWithParam<Transport> {
 protected:
  absl::Status FetchAndCheck(absl::Time deadline = absl::InfiniteFuture()) {
    const std::vector<uint32_t> ids = RandomIds(*table_, 10, 1);
    std::vector<std::byte> rows = MakeOutput(*table_, ids);
    const absl::Status status = table_->Fetch(ids, absl::MakeSpan(rows), {.deadline = deadline});
    return status.ok() ? CheckSelfDescribingRows({.layer = 1, .seed = 1}, ids, rows,
                                                 table_->spec().row_bytes)
                       : status;
  }

  Daemon daemon_{GetParam()};
  std::unique_ptr<Client> client_ = MustConnect(daemon_.address(), GetParam());
  std::unique_ptr<Table> table_ = MustOpen(*client_);
};

TEST_P(RestartTest, FetchWaitsForTheDaemonToComeBack) {
  for (int i = 0; i < 3; ++i) {
    ASSERT_EQ(FetchAndCheck(), absl::OkStatus());
    daemon_.Stop();
    std::thread restart([this] {
      absl::SleepFor(absl::Milliseconds(150));
      daemon_.Start();
    });
    EXPECT_EQ(FetchAndCheck(), absl::OkStatus());
    restart.join();
  }
}

TEST_P(RestartTest, DaemonStopsUnderManyFetches) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([this] {
      for (int i = 0; i < 300; ++i) {
        ASSERT_EQ(FetchAndCheck(), absl::OkStatus());
      }
    });
  }
  for (int i = 0; i < 3; ++i) {
    absl::SleepFor(absl::Milliseconds(30));
    daemon_.Start();
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
}

TEST_P(RestartTest, FetchesGivenUpWhileTheDaemonRestarts) {
  std::atomic<bool> over = false;
  std::vector<std::thread> threads;
  for (uint32_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (uint32_t i = t; !over; ++i) {
        const std::vector<uint32_t> ids = RandomIds(*table_, 10, i);
        std::vector<std::byte> rows = MakeOutput(*table_, ids);
        {
          Ticket ticket = table_->Submit(ids, absl::MakeSpan(rows));
          absl::SleepFor(absl::Microseconds(i * 37 % 500));
          if (i % 2 == 0) {
            ticket.Cancel();
            const absl::Status status = ticket.Wait();
            ASSERT_TRUE(status.ok() || absl::IsCancelled(status)) << status;
          }
        }
        std::fill(rows.begin(), rows.end(), std::byte{0x55});
        ASSERT_EQ(FetchAndCheck(), absl::OkStatus());
        ASSERT_THAT(rows, testing::Each(std::byte{0x55}));
      }
    });
  }
  for (int i = 0; i < 4; ++i) {
    absl::SleepFor(absl::Milliseconds(30));
    daemon_.Start();
  }
  over = true;
  for (std::thread& thread : threads) {
    thread.join();
  }
}

TEST_P(RestartTest, DaemonStaysAway) {
  daemon_.Stop();
  const absl::Status status = FetchAndCheck(absl::Now() + absl::Milliseconds(300));
  EXPECT_TRUE(absl::IsDeadlineExceeded(status)) << status;
  EXPECT_THAT(status.message(), AllOf(HasSubstr(daemon_.address()), HasSubstr("last: ")));
}

TEST_P(RestartTest, OtherContentIsRefused) {
  daemon_.Start(/*seed=*/2);
  const absl::Status status = FetchAndCheck();
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  EXPECT_THAT(status.message(), HasSubstr("t/layer1"));
  // Opened anew, it is a table like any other.
  EXPECT_NE(MustOpen(*client_)->digest(), table_->digest());
}

INSTANTIATE_TEST_SUITE_P(All, RestartTest,
                         testing::Values(Transport::kUnix, Transport::kTcp, Transport::kShared),
                         TransportName);

}  // namespace
}  // namespace engram
