// Streams that are full, refused, lost, opened again, or filled with nonsense.
#include "client/fetch_stream.h"

#include <atomic>
#include <deque>
#include <functional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "tests/client/fake_streams_testing.h"
#include "tests/client/relay_testing.h"

namespace engram {
namespace {

FakeStreams::Reply EndAtOnce(const v1::FetchRequest& /*request*/) {
  return {.end = grpc::Status(grpc::StatusCode::UNAVAILABLE, "stopping")};
}

// Fetches until one goes by a stream again.
void AwaitStream(StreamRig& rig) {
  for (;;) {
    const int unary = rig.unary_fetches();
    ASSERT_EQ(SmallFetch(*rig.table).Wait(), absl::OkStatus());
    if (rig.unary_fetches() == unary) {
      return;
    }
    absl::SleepFor(absl::Milliseconds(1));
  }
}

// Holds what is asked for before `hold` is made false.
FakeStreams::Script HoldWhile(const std::atomic<bool>* hold) {
  return [hold](const v1::FetchRequest& request) {
    return *hold ? Hold(request) : AnswerAtOnce(request);
  };
}

TEST(FetchStream, EndedStreamIsAskedAgainByUnary) {
  for (const auto code : {grpc::StatusCode::OK, grpc::StatusCode::UNAVAILABLE,
                          grpc::StatusCode::INTERNAL, grpc::StatusCode::UNIMPLEMENTED,
                          grpc::StatusCode::RESOURCE_EXHAUSTED, grpc::StatusCode::CANCELLED}) {
    std::atomic<bool> hold = true;
    StreamRig rig(HoldWhile(&hold));
    std::deque<SmallFetch> fetches;
    for (uint32_t i = 0; i < 5; ++i) {
      fetches.emplace_back(*rig.table, i);
    }
    // What was answered before the end counts.
    rig.streams.AwaitRequests(5);
    rig.streams.SendRightAnswer(2);
    rig.streams.End(2, grpc::Status(code, "so it is"));
    for (SmallFetch& fetch : fetches) {
      EXPECT_EQ(fetch.Wait(), absl::OkStatus()) << code;
    }
    EXPECT_EQ(rig.unary_fetches(), 4) << code;

    hold = false;
    AwaitStream(rig);
    EXPECT_EQ(rig.streams.opened(), 2) << code;
  }
}

TEST(FetchStream, NonsenseEndsTheStream) {
  using MakeAnswer = std::function<std::string(const v1::FetchRequest&)>;
  const auto with_ticket = [](uint64_t ticket) -> MakeAnswer {
    return [ticket](v1::FetchRequest request) {
      request.set_ticket(ticket);
      return RightMessage(request);
    };
  };
  const std::pair<const char*, MakeAnswer> cases[] = {
      {"empty", [](const auto&) { return ""; }},
      {"no message", [](const auto&) { return "\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF"; }},
      {"no ticket", [](const auto& request) { return RightAnswer(request).SerializeAsString(); }},
      {"ticket 0", with_ticket(0)},
      {"a ticket of nobody", with_ticket(uint64_t{1} << 63)},
      {"a ticket to come", with_ticket(4)},
      {"cut short before its ticket",
       [](const auto& request) { return RightMessage(request, TicketPlace::kLast).substr(0, 10); }},
      {"cut short in its ticket", [](const auto&) { return "\x18"; }},
      {"no ticket's error",
       [](v1::FetchRequest request) {
         request.clear_ticket();
         return ErrorMessage(request, 5, "no table");
       }},
  };
  for (const auto& [what, make] : cases) {
    std::atomic<bool> hold = true;
    StreamRig rig(HoldWhile(&hold));
    std::deque<SmallFetch> fetches;
    for (uint32_t i = 0; i < 3; ++i) {
      fetches.emplace_back(*rig.table, i);
    }
    rig.streams.Send(0, make(rig.streams.AwaitRequests(3)[1]));
    for (SmallFetch& fetch : fetches) {
      EXPECT_EQ(fetch.Wait(), absl::OkStatus()) << what;
    }
    EXPECT_EQ(rig.unary_fetches(), 3) << what;
    rig.streams.AwaitEnded(1);

    hold = false;
    AwaitStream(rig);
    EXPECT_EQ(rig.streams.opened(), 2) << what;
  }
}

TEST(FetchStream, SameTicketTwiceEndsTheStream) {
  StreamRig rig(Hold);
  SmallFetch twice(*rig.table, 1);
  SmallFetch other(*rig.table, 2);
  rig.streams.AwaitRequests(2);
  rig.streams.SendRightAnswer(0);
  rig.streams.SendRightAnswer(0);
  EXPECT_EQ(twice.Wait(), absl::OkStatus());
  EXPECT_EQ(other.Wait(), absl::OkStatus());
  EXPECT_EQ(rig.unary_fetches(), 1);
  rig.streams.AwaitEnded(1);
}

TEST(FetchStream, FullStreamIsPassedBy) {
  StreamRig rig(Hold, /*max_stream_fetches=*/2);
  std::deque<SmallFetch> held;
  held.emplace_back(*rig.table, 1);
  held.emplace_back(*rig.table, 2);
  for (uint32_t i = 0; i < 5; ++i) {
    EXPECT_EQ(SmallFetch(*rig.table, i).Wait(), absl::OkStatus());
  }
  EXPECT_EQ(rig.unary_fetches(), 5);

  rig.streams.AwaitRequests(2);
  rig.streams.SendRightAnswer(1);
  EXPECT_EQ(held[1].Wait(), absl::OkStatus());
  SmallFetch next(*rig.table, 3);
  rig.streams.AwaitRequests(3);
  rig.streams.SendRightAnswer(2);
  EXPECT_EQ(next.Wait(), absl::OkStatus());
  EXPECT_EQ(rig.unary_fetches(), 5);
  EXPECT_EQ(rig.streams.opened(), 1);
}

TEST(FetchStream, FetchesGivenUpAreStillOwed) {
  std::atomic<bool> hold = true;
  StreamRig rig(HoldWhile(&hold), /*max_stream_fetches=*/2);
  SmallFetch(*rig.table, 1).ticket().Cancel();
  SmallFetch(*rig.table, 2).Release();
  EXPECT_EQ(SmallFetch(*rig.table, 3).Wait(), absl::OkStatus());
  EXPECT_EQ(rig.unary_fetches(), 1);

  rig.streams.AwaitRequests(2);
  hold = false;
  rig.streams.SendRightAnswer(0);
  rig.streams.SendRightAnswer(1);
  AwaitStream(rig);
  EXPECT_EQ(rig.streams.received(), 3u);
  EXPECT_EQ(rig.streams.opened(), 1);
}

TEST(FetchStream, NeverOpenedWhereTheDaemonTakesNone) {
  StreamRig rig(AnswerAtOnce, /*max_stream_fetches=*/0);
  for (uint32_t i = 0; i < 10; ++i) {
    EXPECT_EQ(SmallFetch(*rig.table, i).Wait(), absl::OkStatus());
  }
  EXPECT_EQ(rig.unary_fetches(), 10);
  EXPECT_EQ(rig.streams.opened(), 0);
}

TEST(FetchStream, DaemonWithoutStreams) {
  FakeDaemon daemon(Transport::kUnix, [](const v1::FetchRequest& request, int) {
    return FakeDaemon::Answer{.message = RightAnswer(request).SerializeAsString()};
  });
  daemon.opened().set_max_stream_fetches(64);
  const auto client = MustConnect(daemon.address());
  const auto table = MustOpen(*client, "any");
  for (uint32_t i = 0; i < 50; ++i) {
    EXPECT_EQ(SmallFetch(*table, i).Wait(), absl::OkStatus());
  }
  EXPECT_EQ(daemon.fetches(), 50);
}

TEST(FetchStream, OpenedAgainNotBeforeTheBackoff) {
  StreamRig rig(EndAtOnce, /*max_stream_fetches=*/64, /*backoff=*/absl::Hours(1));
  for (uint32_t i = 0; i < 100; ++i) {
    EXPECT_EQ(SmallFetch(*rig.table, i).Wait(), absl::OkStatus());
  }
  EXPECT_EQ(rig.unary_fetches(), 100);
  EXPECT_EQ(rig.streams.opened(), 1);
}

TEST(FetchStream, RefusedAgainAndAgainItIsOpenedEverMoreRarely) {
  StreamRig rig(EndAtOnce, /*max_stream_fetches=*/64, /*backoff=*/absl::Milliseconds(10));
  const absl::Time start = absl::Now();
  while (rig.streams.opened() < 6) {
    ASSERT_EQ(SmallFetch(*rig.table).Wait(), absl::OkStatus());
  }
  // 10, 20, 40, 80 and 100 ms, less a fifth at most, between the six.
  EXPECT_GE(absl::Now() - start, absl::Milliseconds(200));
}

// Also: an answer counts however soon the end follows it.
TEST(FetchStream, AnAnswerMakesItHopefulAgain) {
  // Every stream gives one answer, and then ends: after any, the wait is the shortest.
  StreamRig rig(
      [](const v1::FetchRequest& request) {
        return FakeStreams::Reply{.answers = {RightMessage(request)}, .end = grpc::Status::OK};
      },
      /*max_stream_fetches=*/64, /*backoff=*/absl::Milliseconds(1));
  for (int i = 0; i < 200; ++i) {
    AwaitStream(rig);
  }
  EXPECT_EQ(rig.streams.opened(), 200);
}

TEST(FetchStream, EndsWithTheClient) {
  StreamRig rig(AnswerAtOnce);
  AwaitStream(rig);
  rig.client.reset();
  EXPECT_EQ(SmallFetch(*rig.table, 1).Wait(), absl::OkStatus());
  EXPECT_EQ(rig.unary_fetches(), 0);
  rig.table.reset();
  rig.streams.AwaitEnded(1);
  EXPECT_EQ(rig.streams.opened(), 1);
}

TEST(FetchStream, LostWhileManyThreadsSend) {
  // Every seventh request ends its stream.
  std::atomic<int> count{0};
  StreamRig rig(
      [&count](const v1::FetchRequest& request) {
        return ++count % 7 == 0 ? EndAtOnce(request) : AnswerAtOnce(request);
      },
      /*max_stream_fetches=*/5, /*backoff=*/absl::Microseconds(50));
  std::vector<std::thread> threads;
  for (uint32_t t = 0; t < 6; ++t) {
    threads.emplace_back([&rig, t] {
      for (uint32_t i = 0; i < 200; ++i) {
        SmallFetch fetch(*rig.table, t * 1000 + i);
        if (i % 5 == 0) {
          fetch.Release();
        } else {
          ASSERT_EQ(fetch.Wait(), absl::OkStatus());
        }
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_GT(rig.streams.opened(), 1);
  EXPECT_GT(rig.streams.received(), 10u);
}

// gRPC has one answer of a stream on its way at a time, but that as a whole: once the client has
// room for it, nothing gets in between its pieces.
TEST(FetchStream, SmallAnswersOvertakeLargeOnesThatAreYetToBeSent) {
  constexpr size_t kMebibyte = 1 << 20;
  constexpr size_t kLarge = 8;
  FakeStreams streams(Hold);
  FakeDaemon daemon(Transport::kUnix, nullptr, [&streams] { return streams.Open(); });
  daemon.opened().mutable_spec()->set_row_bytes(32 << 10);
  daemon.opened().set_max_stream_fetches(64);
  Relay relay(daemon.address());
  const auto client = MustConnect(relay.address());
  const auto table = MustOpen(*client, "any");
  const std::vector<uint32_t> ids(4 * kMebibyte / (32 << 10), 7);

  // Large fetches, and last a small one; each has rows of its own letter.
  std::vector<std::vector<std::byte>> rows;
  std::vector<Ticket> tickets;
  for (size_t i = 0; i <= kLarge; ++i) {
    const auto some_ids = absl::MakeSpan(ids).subspan(0, i < kLarge ? ids.size() : 2);
    rows.push_back(std::vector<std::byte>(some_ids.size() * (32 << 10)));
    tickets.push_back(table->Submit(some_ids, absl::MakeSpan(rows.back()),
                                    {.deadline = absl::Now() + absl::Seconds(60)}));
    streams.AwaitRequests(i + 1);
  }
  relay.LetThrough(kMebibyte / 4);
  for (size_t i = 0; i <= kLarge; ++i) {
    v1::FetchResponse response;
    response.set_ticket(streams.AwaitRequests(i + 1)[i].ticket());
    response.set_rows(std::string(rows[i].size(), static_cast<char>('a' + i)));
    streams.Send(i, response.SerializeAsString());
    if (i + 1 == kLarge) {
      relay.AwaitUsedUp();
    }
  }
  relay.LetThrough(20 * kMebibyte);
  EXPECT_EQ(tickets[kLarge].Wait(), absl::OkStatus());
  EXPECT_FALSE(tickets[kLarge - 1].done());
  relay.LetThrough(Relay::kAll);
  for (size_t i = 0; i <= kLarge; ++i) {
    EXPECT_EQ(tickets[i].Wait(), absl::OkStatus());
    EXPECT_EQ(rows[i], std::vector<std::byte>(rows[i].size(), static_cast<std::byte>('a' + i)));
  }
  EXPECT_EQ(streams.opened(), 2);
}

}  // namespace
}  // namespace engram
