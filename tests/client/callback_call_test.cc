// Fetches that call back when they are done.
#include "client/callback_call.h"

#include <atomic>
#include <chrono>
#include <deque>
#include <future>
#include <random>
#include <thread>
#include <utility>

#include "absl/time/clock.h"
#include "client/checkpoint/self_describing.h"
#include "tests/client/client_testing.h"
#include "tests/client/fake_streams_testing.h"

namespace engram {
namespace {

// Takes one callback, and fails the test if there is another.
class Callback {
 public:
  std::function<void(const absl::Status&)> Take() {
    return [this](const absl::Status& status) {
      ++calls_;
      status_.set_value(status);  // throws the second time
    };
  }
  // Waits for it.
  absl::Status Await() { return future_.get(); }
  int calls() const { return calls_; }

 private:
  std::atomic<int> calls_{0};
  std::promise<absl::Status> status_;
  std::shared_future<absl::Status> future_ = status_.get_future();
};

class CallbackTest : public testing::TestWithParam<Transport> {
 protected:
  // A fetch with all that it needs.
  struct Fetch {
    Fetch(Table& table, std::vector<uint32_t> row_ids, FetchOptions options = {})
        : ids(std::move(row_ids)), rows(MakeOutput(table, ids)) {
      options.on_done = callback.Take();
      ticket = table.Submit(ids, absl::MakeSpan(rows), options);
    }

    const std::vector<uint32_t> ids;
    std::vector<std::byte> rows;
    Callback callback;
    std::optional<Ticket> ticket;
  };

  absl::Status Check(const std::vector<uint32_t>& ids, const std::vector<std::byte>& rows) {
    return CheckSelfDescribingRows(daemon_.key(), ids, rows, 264);
  }

  Daemon daemon_{GetParam()};
  std::unique_ptr<Client> client_ = MustConnect(daemon_.address(), GetParam());
  std::unique_ptr<Table> table_ = MustOpen(*client_);
};

TEST_P(CallbackTest, SaysThatTheRowsAreThere) {
  std::deque<Fetch> fetches;
  for (uint32_t i = 0; i < 100; ++i) {
    fetches.emplace_back(*table_, RandomIds(*table_, 1 + i * 7 % 60, i));
  }
  for (Fetch& fetch : fetches) {
    ASSERT_EQ(fetch.callback.Await(), absl::OkStatus());
    EXPECT_EQ(Check(fetch.ids, fetch.rows), absl::OkStatus());
    EXPECT_TRUE(fetch.ticket->done());
    EXPECT_EQ(fetch.ticket->TryWait(), absl::OkStatus());
    EXPECT_EQ(fetch.ticket->Wait(), absl::OkStatus());
  }
  for (Fetch& fetch : fetches) {
    fetch.ticket.reset();
    EXPECT_EQ(fetch.callback.calls(), 1);
  }
}

TEST_P(CallbackTest, RowsOfARowBuffer) {
  auto buffer = client_->NewRowBuffer(100 * 8 * 264);
  ASSERT_TRUE(buffer.ok()) << buffer.status();
  for (uint32_t i = 0; i < 50; ++i) {
    const auto ids = RandomIds(*table_, 1 + i * 7 % 100, i);
    const auto rows = buffer->bytes().first(ids.size() * 264);
    Callback callback;
    const Ticket ticket = table_->Submit(ids, rows, {.on_done = callback.Take()});
    ASSERT_EQ(callback.Await(), absl::OkStatus());
    EXPECT_EQ(CheckSelfDescribingRows(daemon_.key(), ids, rows, 264), absl::OkStatus());
  }
}

TEST_P(CallbackTest, ErrorsAndRefusalsAreToldToo) {
  Fetch no_group(*table_, {1, 2, 3});
  Fetch no_row(*table_, std::vector<uint32_t>(8, 1'000'000'000));
  Fetch late(*table_, RandomIds(*table_, 1, 1), {.deadline = absl::Now() - absl::Seconds(1)});
  EXPECT_TRUE(absl::IsInvalidArgument(no_group.callback.Await()));
  EXPECT_TRUE(absl::IsOutOfRange(no_row.callback.Await()));
  EXPECT_TRUE(absl::IsDeadlineExceeded(late.callback.Await()));
  daemon_.Drop();
  Fetch dropped(*table_, RandomIds(*table_, 1, 1));
  EXPECT_TRUE(absl::IsNotFound(dropped.callback.Await()));
}

TEST_P(CallbackTest, CalledBeforeTheTicketIsGone) {
  for (uint32_t i = 0; i < 100; ++i) {
    Fetch fetch(*table_, RandomIds(*table_, 100, i));
    if (i % 4 != 0) absl::SleepFor(absl::Microseconds(i * 20));
    if (i % 2 == 0) fetch.ticket->Cancel();
    fetch.ticket.reset();
    ASSERT_EQ(fetch.callback.calls(), 1);
    const absl::Status status = fetch.callback.Await();
    if (status.ok()) {
      ASSERT_EQ(Check(fetch.ids, fetch.rows), absl::OkStatus());
    } else {
      ASSERT_TRUE(absl::IsCancelled(status)) << status;
    }
  }
}

TEST_P(CallbackTest, SaysWhatWaitSays) {
  for (uint32_t i = 0; i < 50; ++i) {
    Fetch fetch(*table_, RandomIds(*table_, 100, i));
    absl::SleepFor(absl::Microseconds(i * 30));
    fetch.ticket->Cancel();
    EXPECT_EQ(fetch.ticket->Wait(), fetch.callback.Await());
  }
}

TEST_P(CallbackTest, OneThreadThatIsNoneOfTheCallers) {
  const auto ids = RandomIds(*table_, 1, 1);
  std::set<std::thread::id> threads;
  for (int i = 0; i < 20; ++i) {
    auto rows = MakeOutput(*table_, ids);
    std::promise<std::thread::id> thread;
    const Ticket ticket = table_->Submit(
        ids, absl::MakeSpan(rows),
        {.on_done = [&](const absl::Status&) { thread.set_value(std::this_thread::get_id()); }});
    threads.insert(thread.get_future().get());
  }
  EXPECT_EQ(threads.size(), 1u);
  EXPECT_FALSE(threads.contains(std::this_thread::get_id()));
}

// A chain of fetches, each of them submitted by the callback of the one before, which then lets go
// of its own ticket.
class Chain {
 public:
  Chain(Table& table, uint32_t length) : table_(table), left_(length) {}

  void Next() {
    if (left_-- == 0) {
      done_.set_value();
      return;
    }
    const auto ids = RandomIds(table_, 2, left_);
    rows_ = MakeOutput(table_, ids);
    std::promise<void> assigned;
    auto ticket = std::make_shared<std::optional<Ticket>>();
    auto may_go = std::make_shared<std::future<void>>(assigned.get_future());
    *ticket = table_.Submit(ids, absl::MakeSpan(rows_),
                            {.on_done = [this, ticket, may_go](const absl::Status& status) {
                              EXPECT_EQ(status, absl::OkStatus());
                              may_go->wait();
                              ticket->reset();
                              Next();
                            }});
    assigned.set_value();
  }
  void Await() { done_.get_future().get(); }

 private:
  Table& table_;
  uint32_t left_;
  std::vector<std::byte> rows_;
  std::promise<void> done_;
};

TEST_P(CallbackTest, MaySubmitAndLetGoOfItsTicket) {
  Chain chain(*table_, 100);
  chain.Next();
  chain.Await();
}

TEST_P(CallbackTest, MayLetGoOfTicketsAndAllElse) {
  const auto ids = RandomIds(*table_, 50, 1);
  std::vector<std::vector<std::byte>> rows(20, MakeOutput(*table_, ids));
  std::deque<Callback> callbacks;
  std::vector<Ticket> tickets;
  std::promise<void> submitted;
  std::promise<void> gone;
  auto first_rows = MakeOutput(*table_, ids);
  std::optional<Ticket> first =
      table_->Submit(ids, absl::MakeSpan(first_rows), {.on_done = [&](const absl::Status& status) {
                       EXPECT_EQ(status, absl::OkStatus());
                       submitted.get_future().get();
                       first.reset();
                       table_.reset();
                       client_.reset();
                       tickets.clear();
                       gone.set_value();
                     }});
  for (auto& output : rows) {
    tickets.push_back(
        table_->Submit(ids, absl::MakeSpan(output), {.on_done = callbacks.emplace_back().Take()}));
  }
  submitted.set_value();
  gone.get_future().get();
  for (Callback& callback : callbacks) EXPECT_EQ(callback.calls(), 1);
}

TEST_P(CallbackTest, TicketOutlivesClientAndTable) {
  Fetch fetch(*table_, RandomIds(*table_, 100, 1));
  client_.reset();
  table_.reset();
  EXPECT_EQ(fetch.callback.Await(), absl::OkStatus());
  EXPECT_EQ(Check(fetch.ids, fetch.rows), absl::OkStatus());
}

TEST_P(CallbackTest, DaemonThatIsAwayAndComesBack) {
  Fetch before(*table_, RandomIds(*table_, 1, 1));
  EXPECT_EQ(before.callback.Await(), absl::OkStatus());
  daemon_.Stop();
  Fetch in_vain(*table_, RandomIds(*table_, 2, 2),
                {.deadline = absl::Now() + absl::Milliseconds(100)});
  Fetch patient(*table_, RandomIds(*table_, 3, 3));
  EXPECT_TRUE(absl::IsDeadlineExceeded(in_vain.callback.Await()));
  daemon_.Start();
  EXPECT_EQ(patient.callback.Await(), absl::OkStatus());
  EXPECT_EQ(Check(patient.ids, patient.rows), absl::OkStatus());
}

// Beside fetches that are waited for, over the same connections.
TEST_P(CallbackTest, ManyThreads) {
  std::vector<std::thread> threads;
  for (uint32_t t = 0; t < 6; ++t) {
    threads.emplace_back([&, t] {
      std::mt19937 engine(t);
      const auto random = [&engine] { return static_cast<uint32_t>(engine()); };
      for (int i = 0; i < 60; ++i) {
        if (t % 2 == 0) {
          const auto ids = RandomIds(*table_, 1 + random() % 60, random());
          auto rows = MakeOutput(*table_, ids);
          ASSERT_EQ(table_->Fetch(ids, absl::MakeSpan(rows)), absl::OkStatus());
          ASSERT_EQ(Check(ids, rows), absl::OkStatus());
          continue;
        }
        Fetch fetch(*table_, RandomIds(*table_, 1 + random() % 60, random()));
        if (random() % 4 == 0) fetch.ticket->Cancel();
        if (random() % 4 == 0) fetch.ticket.reset();
        const absl::Status status = fetch.callback.Await();
        ASSERT_EQ(status.ok() ? Check(fetch.ids, fetch.rows) : absl::OkStatus(), absl::OkStatus());
        ASSERT_TRUE(status.ok() || absl::IsCancelled(status)) << status;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

INSTANTIATE_TEST_SUITE_P(All, CallbackTest,
                         testing::Values(Transport::kUnix, Transport::kTcp, Transport::kShared),
                         TransportName);

TEST(CallbackOfStream, ComesWithTheAnswerAndNotBefore) {
  StreamRig rig(Hold);
  Callback first;
  Callback second;
  SmallFetch one(*rig.table, 1, {.on_done = first.Take()});
  SmallFetch two(*rig.table, 2, {.on_done = second.Take()});
  rig.streams.AwaitRequests(2);
  rig.streams.SendRightAnswer(1);
  EXPECT_EQ(second.Await(), absl::OkStatus());
  EXPECT_EQ(first.calls(), 0);
  EXPECT_FALSE(one.ticket().done());
  EXPECT_EQ(one.ticket().TryWait(), std::nullopt);
  rig.streams.SendRightAnswer(0);
  EXPECT_EQ(first.Await(), absl::OkStatus());
  EXPECT_EQ(one.Wait(), absl::OkStatus());
  EXPECT_EQ(two.Wait(), absl::OkStatus());
}

TEST(CallbackOfStream, SaysThatItsFetchWasCancelled) {
  StreamRig rig(Hold);
  Callback cancelled;
  Callback dropped;
  SmallFetch fetch(*rig.table, 1, {.on_done = cancelled.Take()});
  std::optional<SmallFetch> other(std::in_place, *rig.table, 2,
                                  FetchOptions{.on_done = dropped.Take()});
  fetch.ticket().Cancel();
  fetch.ticket().Cancel();
  EXPECT_TRUE(absl::IsCancelled(cancelled.Await()));
  EXPECT_TRUE(absl::IsCancelled(fetch.Wait()));
  other.reset();
  EXPECT_EQ(dropped.calls(), 1);
  EXPECT_TRUE(absl::IsCancelled(dropped.Await()));
  rig.streams.AwaitCancels(2);
  for (const size_t i : {0, 1}) rig.streams.SendRightAnswer(i);
  Callback last;
  SmallFetch later(*rig.table, 3, {.on_done = last.Take()});
  rig.streams.AwaitRequests(3);
  rig.streams.SendRightAnswer(2);
  EXPECT_EQ(last.Await(), absl::OkStatus());
  EXPECT_TRUE(fetch.untouched());
}

TEST(CallbackOfStream, ALostStreamIsFallenBackFrom) {
  StreamRig rig(Hold);
  Callback lost;
  Callback refused;
  SmallFetch first(*rig.table, 1, {.on_done = lost.Take()});
  SmallFetch second(*rig.table, 2, {.on_done = refused.Take()});
  const auto requests = rig.streams.AwaitRequests(2);
  rig.streams.Send(1, ErrorMessage(requests[1], 14, "stopping"));
  EXPECT_EQ(refused.Await(), absl::OkStatus());
  rig.streams.End(0, grpc::Status(grpc::StatusCode::UNAVAILABLE, "stopping"));
  EXPECT_EQ(lost.Await(), absl::OkStatus());
  EXPECT_EQ(rig.unary_fetches(), 2);
  EXPECT_EQ(first.Wait(), absl::OkStatus());
  EXPECT_EQ(second.Wait(), absl::OkStatus());
}

TEST(CallbackOfStream, ComesAtTheDeadline) {
  StreamRig rig(Hold);
  Callback patient;
  Callback late;
  SmallFetch first(*rig.table, 1, {.on_done = patient.Take()});
  SmallFetch second(*rig.table, 2,
                    {.deadline = absl::Now() + absl::Milliseconds(20), .on_done = late.Take()});
  EXPECT_TRUE(absl::IsDeadlineExceeded(late.Await()));
  EXPECT_EQ(patient.calls(), 0);
}

TEST(CallbackOfUnaryCall, SaysHowItEnded) {
  FakeDaemon daemon(Transport::kUnix, [](const v1::FetchRequest& request, int) {
    if (request.row_ids(0) == 1) return FakeDaemon::Answer{.hold = true};
    if (request.row_ids(0) == 2) {
      return FakeDaemon::Answer{.status = {grpc::StatusCode::DATA_LOSS, "row 2"}};
    }
    return FakeDaemon::Answer{.message = RightAnswer(request).SerializeAsString()};
  });
  const auto client = MustConnect(daemon.address());
  const auto table = MustOpen(*client, "any");
  const std::vector<uint32_t> ids[] = {{0, 0}, {1, 1}, {2, 2}};
  std::vector<std::byte> rows[] = {MakeOutput(*table, ids[0]), MakeOutput(*table, ids[1]),
                                   MakeOutput(*table, ids[2])};
  Callback callbacks[3];
  std::vector<Ticket> tickets;
  for (size_t i = 0; i < 3; ++i) {
    tickets.push_back(
        table->Submit(ids[i], absl::MakeSpan(rows[i]), {.on_done = callbacks[i].Take()}));
  }
  EXPECT_EQ(callbacks[0].Await(), absl::OkStatus());
  EXPECT_EQ(callbacks[2].Await(), absl::DataLossError("row 2"));
  EXPECT_EQ(callbacks[1].calls(), 0);
  tickets[1].Cancel();
  EXPECT_TRUE(absl::IsCancelled(callbacks[1].Await()));
  daemon.AwaitCancelled(1);
}

}  // namespace
}  // namespace engram
