// Fetches by a stream whose daemon answers late, wrongly, or not at all.
#include "client/stream_call.h"

#include <deque>
#include <utility>

#include "absl/time/clock.h"
#include "tests/client/fake_streams_testing.h"

namespace engram {
namespace {

TEST(StreamCall, RequestSaysWhatTheProtoSays) {
  StreamRig rig(Hold);
  const absl::Time deadline = absl::Now() + absl::Seconds(100);
  const std::vector<uint32_t> ids = {7, 99, 0, 7};
  std::vector<std::byte> rows(16);
  std::vector<Tier> tiers(2);
  const Ticket plain = rig.table->Submit(ids, absl::MakeSpan(rows));
  const Ticket full = rig.table->Submit(ids, absl::MakeSpan(rows),
                                        {.deadline = deadline, .tiers = absl::MakeSpan(tiers)});
  const absl::Time submitted = absl::Now();
  const auto requests = rig.streams.AwaitRequests(2);
  for (const v1::FetchRequest& request : requests) {
    EXPECT_EQ(request.table().name(), "any");
    EXPECT_EQ(request.table().version(), 3u);
    EXPECT_EQ(request.table().digest(), "0123456789abcdef");
    EXPECT_EQ(std::vector<uint32_t>(request.row_ids().begin(), request.row_ids().end()), ids);
    EXPECT_NE(request.ticket(), 0u);
  }
  EXPECT_NE(requests[0].ticket(), requests[1].ticket());
  EXPECT_EQ(requests[0].deadline_us(), 0u);
  EXPECT_FALSE(requests[0].report_tiers());
  // What was left of it when the request was made.
  EXPECT_LE(requests[1].deadline_us(), 100'000'000u);
  EXPECT_GE(static_cast<int64_t>(requests[1].deadline_us()),
            absl::ToInt64Microseconds(deadline - submitted));
  EXPECT_TRUE(requests[1].report_tiers());
}

TEST(StreamCall, AnswersInAnyOrder) {
  StreamRig rig(Hold);
  std::deque<SmallFetch> fetches;
  for (uint32_t i = 0; i < 10; ++i) {
    fetches.emplace_back(*rig.table, i);
  }
  const auto requests = rig.streams.AwaitRequests(10);
  for (const size_t i : {3, 9, 0, 1, 8, 2, 7, 4, 6, 5}) {
    EXPECT_FALSE(fetches[i].ticket().done());
    const auto place = i % 2 == 0 ? TicketPlace::kFirst : TicketPlace::kLast;
    rig.streams.Send(i, RightMessage(requests[i], place));
    EXPECT_EQ(fetches[i].Wait(), absl::OkStatus());
    EXPECT_TRUE(fetches[i].ticket().done());
    EXPECT_EQ(fetches[i].Wait(), absl::OkStatus());
  }
  EXPECT_EQ(rig.unary_fetches(), 0);
  EXPECT_EQ(rig.streams.opened(), 1);
}

TEST(StreamCall, TablesShareAStream) {
  StreamRig rig(Hold);
  const auto other = MustOpen(*rig.client, "other");
  SmallFetch first(*rig.table, 1);
  SmallFetch second(*other, 2);
  const auto requests = rig.streams.AwaitRequests(2);
  EXPECT_EQ(requests[0].table().name(), "any");
  EXPECT_EQ(requests[1].table().name(), "other");
  EXPECT_NE(requests[0].ticket(), requests[1].ticket());
  rig.streams.SendRightAnswer(1);
  rig.streams.SendRightAnswer(0);
  EXPECT_EQ(first.Wait(), absl::OkStatus());
  EXPECT_EQ(second.Wait(), absl::OkStatus());
  EXPECT_EQ(rig.streams.opened(), 1);
}

TEST(StreamCall, TiersAreReported) {
  StreamRig rig(AnswerAtOnce);
  std::vector<Tier> tiers(2, Tier::kCold);
  EXPECT_EQ(SmallFetch(*rig.table, 0, {.tiers = absl::MakeSpan(tiers)}).Wait(), absl::OkStatus());
  EXPECT_EQ(tiers, std::vector<Tier>(2, Tier::kRam));
  EXPECT_EQ(rig.unary_fetches(), 0);
}

TEST(StreamCall, ErrorsAreFinalAndTheStreamGoesOn) {
  StreamRig rig([](const v1::FetchRequest& request) {
    const int code = static_cast<int>(request.row_ids(0));
    return code == 0 ? AnswerAtOnce(request)
                     : FakeStreams::Reply{.answers = {ErrorMessage(request, code, "so it is")}};
  });
  for (const auto code : {absl::StatusCode::kInvalidArgument, absl::StatusCode::kOutOfRange,
                          absl::StatusCode::kNotFound, absl::StatusCode::kFailedPrecondition,
                          absl::StatusCode::kResourceExhausted, absl::StatusCode::kDeadlineExceeded,
                          absl::StatusCode::kDataLoss, absl::StatusCode::kInternal}) {
    const std::vector<uint32_t> ids = {static_cast<uint32_t>(code), 0};
    std::vector<std::byte> rows(8);
    EXPECT_EQ(rig.table->Fetch(ids, absl::MakeSpan(rows)), absl::Status(code, "so it is"));
  }
  EXPECT_EQ(rig.unary_fetches(), 0);
  EXPECT_EQ(rig.streams.opened(), 1);
}

TEST(StreamCall, CodesThatNoDaemonSendsAreInternal) {
  for (const int code : {0, 2, 6, 7, 10, 12, 16, 17, 99, -1, 2'000'000'000}) {
    StreamRig rig([code](const v1::FetchRequest& request) {
      return FakeStreams::Reply{.answers = {ErrorMessage(request, code, "not you")}};
    });
    const absl::Status status = SmallFetch(*rig.table).Wait();
    EXPECT_TRUE(absl::IsInternal(status)) << code << ": " << status;
    EXPECT_EQ(rig.unary_fetches(), 0) << code;
  }
}

TEST(StreamCall, UnavailableIsAskedAgainByUnary) {
  for (const auto code : {absl::StatusCode::kUnavailable, absl::StatusCode::kCancelled}) {
    StreamRig rig([code](const v1::FetchRequest& request) {
      return FakeStreams::Reply{
          .answers = {ErrorMessage(request, static_cast<int>(code), "stopping")}};
    });
    EXPECT_EQ(SmallFetch(*rig.table).Wait(), absl::OkStatus());
    EXPECT_EQ(rig.unary_fetches(), 1);
    // Also where nobody waits, but asks from time to time.
    SmallFetch polled(*rig.table, 1);
    while (!polled.ticket().done()) {
      absl::SleepFor(absl::Milliseconds(1));
    }
    EXPECT_EQ(polled.Wait(), absl::OkStatus());
    EXPECT_EQ(rig.unary_fetches(), 2);
    EXPECT_EQ(rig.streams.opened(), 1);
  }
}

TEST(StreamCall, AnswersThatDoNotFitAreInternalAndTheStreamGoesOn) {
  const std::pair<const char*, void (*)(v1::FetchResponse*)> cases[] = {
      {"a row too few", [](auto* r) { r->mutable_rows()->resize(12); }},
      {"a byte too many", [](auto* r) { r->mutable_rows()->push_back('x'); }},
      {"a thousand rows", [](auto* r) { r->mutable_rows()->resize(4000); }},
      {"no rows", [](auto* r) { r->clear_rows(); }},
      {"no tiers", [](auto* r) { r->clear_tiers(); }},
      {"a tier too many", [](auto* r) { r->mutable_tiers()->push_back('\1'); }},
  };
  for (const auto& [what, change] : cases) {
    StreamRig rig(Hold);
    std::vector<Tier> tiers(2);
    SmallFetch fetch(*rig.table, 0, {.tiers = absl::MakeSpan(tiers)});
    const v1::FetchRequest request = rig.streams.AwaitRequests(1)[0];
    v1::FetchResponse response = RightAnswer(request);
    response.set_ticket(request.ticket());
    change(&response);
    rig.streams.Send(0, response.SerializeAsString());
    const absl::Status status = fetch.Wait();
    EXPECT_TRUE(absl::IsInternal(status)) << what << ": " << status;
    EXPECT_EQ(rig.unary_fetches(), 0) << what;

    SmallFetch next(*rig.table, 1);
    rig.streams.AwaitRequests(2);
    rig.streams.SendRightAnswer(1);
    EXPECT_EQ(next.Wait(), absl::OkStatus()) << what;
    EXPECT_EQ(rig.streams.opened(), 1) << what;
  }
}

TEST(StreamCall, AnswerCutShortBehindItsTicketIsInternal) {
  StreamRig rig([](const v1::FetchRequest& request) {
    std::string message = RightMessage(request);
    message.pop_back();
    return FakeStreams::Reply{.answers = {message}};
  });
  const absl::Status status = SmallFetch(*rig.table).Wait();
  EXPECT_TRUE(absl::IsInternal(status)) << status;
  EXPECT_EQ(rig.unary_fetches(), 0);
}

TEST(StreamCall, HeldAnswerMissesItsDeadline) {
  StreamRig rig(Hold);
  SmallFetch waited(*rig.table, 1, {.deadline = absl::Now() + absl::Milliseconds(500)});
  SmallFetch polled(*rig.table, 2, {.deadline = absl::Now() + absl::Milliseconds(500)});
  SmallFetch patient(*rig.table, 3);
  const absl::Status status = waited.Wait();
  EXPECT_TRUE(absl::IsDeadlineExceeded(status)) << status;
  while (!polled.ticket().done()) {
    absl::SleepFor(absl::Milliseconds(1));
  }
  EXPECT_TRUE(absl::IsDeadlineExceeded(polled.Wait()));

  // Answers that come after all go nowhere, and do no harm.
  rig.streams.AwaitRequests(3);
  for (size_t i = 0; i < 3; ++i) {
    rig.streams.SendRightAnswer(i);
  }
  EXPECT_EQ(patient.Wait(), absl::OkStatus());
  waited.Release();
  polled.Release();
  patient.Release();
  rig.table.reset();
  rig.client.reset();  // now the stream is over, and whatever it brought was dealt with
  EXPECT_TRUE(waited.untouched());
  EXPECT_TRUE(polled.untouched());
  EXPECT_EQ(rig.streams.opened(), 1);
  EXPECT_EQ(rig.unary_fetches(), 0);
}

TEST(StreamCall, DeadlineInThePastIsNotSent) {
  StreamRig rig(AnswerAtOnce);
  for (const absl::Time deadline :
       {absl::InfinitePast(), absl::UnixEpoch(), absl::Now() - absl::Seconds(1)}) {
    const absl::Status status = SmallFetch(*rig.table, 0, {.deadline = deadline}).Wait();
    EXPECT_TRUE(absl::IsDeadlineExceeded(status)) << deadline << ": " << status;
  }
  EXPECT_EQ(rig.streams.received(), 0u);
}

TEST(StreamCall, DeadlineFarAhead) {
  StreamRig rig(AnswerAtOnce);
  for (const absl::Time deadline :
       {absl::Now() + absl::Hours(1'000'000), absl::FromUnixSeconds(int64_t{1} << 60)}) {
    EXPECT_EQ(SmallFetch(*rig.table, 0, {.deadline = deadline}).Wait(), absl::OkStatus());
  }
  for (const v1::FetchRequest& request : rig.streams.AwaitRequests(2)) {
    EXPECT_GT(request.deadline_us(), 999'999u * 3600 * 1'000'000);
  }
}

TEST(StreamCall, SaysWhenItsRowsAreNeeded) {
  StreamRig rig(AnswerAtOnce);
  const absl::Time now = absl::Now();
  for (const absl::Time needed_at :
       {absl::InfiniteFuture(), now + absl::Hours(1), now - absl::Hours(1), absl::InfinitePast()}) {
    EXPECT_EQ(SmallFetch(*rig.table, 0, {.needed_at = needed_at}).Wait(), absl::OkStatus());
  }
  const std::vector<v1::FetchRequest> requests = rig.streams.AwaitRequests(4);
  EXPECT_EQ(requests[0].needed_us(), 0u);
  EXPECT_GT(requests[1].needed_us(), 3500u * 1'000'000);
  EXPECT_LE(requests[1].needed_us(), 3600u * 1'000'000);
  EXPECT_EQ(requests[2].needed_us(), 1u);
  EXPECT_EQ(requests[3].needed_us(), 1u);
  for (const v1::FetchRequest& request : requests) EXPECT_EQ(request.deadline_us(), 0u);
}

TEST(StreamCall, CancelledAndDroppedFetchesAreWrittenNoMore) {
  StreamRig rig(Hold);
  SmallFetch cancelled(*rig.table, 1);
  SmallFetch dropped(*rig.table, 2);
  SmallFetch patient(*rig.table, 3);
  cancelled.ticket().Cancel();
  EXPECT_TRUE(cancelled.ticket().done());
  EXPECT_TRUE(absl::IsCancelled(cancelled.Wait()));
  dropped.Release();

  // The daemon is told, so that it stops reading for them.
  const std::vector<v1::FetchRequest> requests = rig.streams.AwaitRequests(3);
  const std::vector<v1::FetchRequest> cancels = rig.streams.AwaitCancels(2);
  for (const size_t i : {0, 1}) {
    EXPECT_EQ(cancels[i].ticket(), requests[i].ticket());
    EXPECT_EQ(cancels[i].row_ids_size(), 0);
  }
  for (size_t i = 0; i < 3; ++i) {
    rig.streams.SendRightAnswer(i);
  }
  EXPECT_EQ(patient.Wait(), absl::OkStatus());
  patient.ticket().Cancel();  // too late to matter
  EXPECT_EQ(patient.Wait(), absl::OkStatus());
  EXPECT_TRUE(absl::IsCancelled(cancelled.Wait()));
  cancelled.Release();
  patient.Release();
  rig.table.reset();
  rig.client.reset();
  EXPECT_TRUE(cancelled.untouched());
  EXPECT_TRUE(dropped.untouched());
  EXPECT_EQ(rig.streams.opened(), 1);
}

TEST(StreamCall, GivenUpJustAsTheAnswerComes) {
  StreamRig rig(AnswerAtOnce);
  std::deque<SmallFetch> given_up;
  for (uint32_t i = 0; i < 300; ++i) {
    const absl::Time soon = absl::Now() + absl::Microseconds(i * 2);
    SmallFetch& fetch = given_up.emplace_back(
        *rig.table, i, FetchOptions{.deadline = i % 2 == 0 ? soon : absl::InfiniteFuture()});
    if (i % 2 == 1) {
      absl::SleepFor(soon - absl::Now());
      fetch.ticket().Cancel();
    }
    const absl::Status status = fetch.Wait();
    fetch.Release();
    if (status.ok()) {
      given_up.pop_back();
    } else {
      EXPECT_TRUE(absl::IsCancelled(status) || absl::IsDeadlineExceeded(status)) << status;
    }
  }
  rig.table.reset();
  rig.client.reset();
  for (const SmallFetch& fetch : given_up) {
    EXPECT_TRUE(fetch.untouched());
  }
}

TEST(StreamCall, OutlivesClientAndTable) {
  StreamRig rig(Hold);
  SmallFetch answered(*rig.table, 1);
  SmallFetch lost(*rig.table, 2);
  SmallFetch dropped(*rig.table, 3);
  rig.client.reset();
  rig.table.reset();
  rig.streams.AwaitRequests(3);
  rig.streams.SendRightAnswer(0);
  EXPECT_EQ(answered.Wait(), absl::OkStatus());
  rig.streams.End(0, grpc::Status(grpc::StatusCode::UNAVAILABLE, "stopping"));
  EXPECT_EQ(lost.Wait(), absl::OkStatus());
  EXPECT_EQ(rig.unary_fetches(), 1);
}

TEST(StreamCall, LastTicketEndsTheStream) {
  StreamRig rig(Hold);
  SmallFetch first(*rig.table, 1);
  SmallFetch second(*rig.table, 2);
  rig.streams.AwaitRequests(2);
  rig.client.reset();
  rig.table.reset();
  first.Release();
  rig.streams.SendRightAnswer(1);
  EXPECT_EQ(second.Wait(), absl::OkStatus());
  second.Release();
  rig.streams.AwaitEnded(1);
  rig.streams.SendRightAnswer(0);  // nobody is there
}

TEST(StreamCall, CancelAfterTheStreamWasLost) {
  StreamRig rig(Hold);
  SmallFetch fetch(*rig.table, 1);
  SmallFetch other(*rig.table, 2);
  rig.streams.AwaitRequests(2);
  rig.streams.End(0, grpc::Status::OK);
  EXPECT_EQ(other.Wait(), absl::OkStatus());  // by now the client knows
  fetch.ticket().Cancel();
  EXPECT_TRUE(absl::IsCancelled(fetch.Wait()));
  fetch.Release();
  EXPECT_TRUE(fetch.untouched());
  EXPECT_EQ(rig.unary_fetches(), 1);
}

TEST(StreamCall, RequestsThatNobodyReads) {
  // The daemon reads one request and no more; the others pile up on this side, and in between.
  StreamRig rig([](const v1::FetchRequest&) { return FakeStreams::Reply{.read_on = false}; });
  rig.daemon.opened().set_max_fetch_rows(200'000);
  const auto table = MustOpen(*rig.client, "large");
  const std::vector<uint32_t> ids(200'000, 7);
  std::vector<std::byte> rows(ids.size() * 4);
  std::deque<Ticket> tickets;
  tickets.push_back(table->Submit(ids, absl::MakeSpan(rows)));
  rig.streams.AwaitRequests(1);
  for (int i = 0; i < 20; ++i) {
    tickets.push_back(table->Submit(ids, absl::MakeSpan(rows),
                                    {.deadline = absl::Now() + absl::Milliseconds(200)}));
  }
  tickets[0].Cancel();
  EXPECT_TRUE(absl::IsCancelled(tickets[0].Wait()));
  // The connection is as good as before.
  EXPECT_EQ(MustOpen(*rig.client, "other")->name(), "other");
  EXPECT_TRUE(absl::IsDeadlineExceeded(tickets[1].Wait()));
  EXPECT_TRUE(absl::IsDeadlineExceeded(tickets[20].Wait()));
  tickets.clear();
  EXPECT_EQ(rig.streams.received(), 1u);
}

}  // namespace
}  // namespace engram
