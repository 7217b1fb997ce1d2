// Streams of fetches: many at once, slow readers, and the daemon's end.
#include "server/fetch_stream.h"

#include <map>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/server/server_testing.h"

namespace engram::server {
namespace {

using grpc::StatusCode;

class FetchStreamTest : public ServerTest {
 protected:
  using Stream = grpc::ClientReaderWriter<v1::FetchRequest, v1::FetchResponse>;

  v1::ServerStats ServerStats() {
    v1::GetStatsResponse response;
    grpc::ClientContext context;
    EXPECT_TRUE(admin_->GetStats(&context, {}, &response).ok());
    return response.server();
  }

  grpc::ClientContext context_;
};

TEST_F(FetchStreamTest, AnswersEachRequestOnceWithItsTicket) {
  StartServer([](ServerOptions* options) { options->store.ram_budget_bytes = 64 << 10; });
  ImportModel();
  constexpr uint64_t kFetches = 500;
  std::map<uint64_t, std::vector<uint32_t>> asked;
  for (uint64_t ticket = 1; ticket <= kFetches; ++ticket) {
    asked[ticket] = Ids(1 + ticket % 40, static_cast<uint32_t>(ticket));
  }
  const v1::FetchRequest any = RequestFor({});
  const auto stream = engram_->FetchStream(&context_);
  std::thread writer([&] {
    for (const auto& [ticket, ids] : asked) {
      v1::FetchRequest request = any;
      request.set_ticket(ticket);
      request.mutable_row_ids()->Assign(ids.begin(), ids.end());
      stream->Write(request);
    }
    stream->WritesDone();
  });
  size_t wrong = 0;
  std::set<uint64_t> answered;
  v1::FetchResponse response;
  while (stream->Read(&response)) {
    ASSERT_FALSE(response.has_error()) << response.error().message();
    EXPECT_TRUE(answered.insert(response.ticket()).second) << response.ticket();
    wrong += CountWrongRows(asked[response.ticket()], response.rows());
  }
  writer.join();
  EXPECT_TRUE(stream->Finish().ok());
  EXPECT_EQ(answered.size(), kFetches);
  EXPECT_EQ(wrong, 0);
}

TEST_F(FetchStreamTest, AFailedFetchLeavesTheStreamOpen) {
  StartServer();
  ImportModel();
  v1::FetchRequest request = RequestFor(Ids(1));
  const auto stream = engram_->FetchStream(&context_);
  v1::FetchResponse response;
  for (int i = 0; i < 3; ++i) {
    v1::FetchRequest bad = request;
    bad.mutable_row_ids()->RemoveLast();
    bad.set_ticket(1);
    ASSERT_TRUE(stream->Write(bad));
    ASSERT_TRUE(stream->Read(&response));
    EXPECT_EQ(response.error().code(), StatusCode::INVALID_ARGUMENT);
    request.set_ticket(2);
    ASSERT_TRUE(stream->Write(request));
    ASSERT_TRUE(stream->Read(&response));
    EXPECT_FALSE(response.has_error());
    EXPECT_EQ(response.ticket(), 2);
  }
  stream->WritesDone();
  EXPECT_TRUE(stream->Finish().ok());
}

TEST_F(FetchStreamTest, ADeadlineThatPassesIsAnswered) {
  StartServer([](ServerOptions* options) { options->store.ram_budget_bytes = 0; });
  ImportModel();
  // A microsecond is over before the rows come from disk.
  v1::FetchRequest request = RequestFor(Ids(500));
  request.set_deadline_us(1);
  const auto stream = engram_->FetchStream(&context_);
  ASSERT_TRUE(stream->Write(request));
  v1::FetchResponse response;
  ASSERT_TRUE(stream->Read(&response));
  EXPECT_EQ(response.error().code(), StatusCode::DEADLINE_EXCEEDED);
  request.clear_deadline_us();
  ASSERT_TRUE(stream->Write(request));
  ASSERT_TRUE(stream->Read(&response));
  EXPECT_FALSE(response.has_error());
  stream->WritesDone();
  EXPECT_TRUE(stream->Finish().ok());
}

// Sooner or later a cancellation comes before all was read.
TEST_F(FetchStreamTest, ACancelledFetchIsAnsweredOnceAndOthersGoOn) {
  StartServer([](ServerOptions* options) { options->store.ram_budget_bytes = 0; });
  ImportModel();
  v1::FetchRequest cancel;
  cancel.set_cancel(true);
  const auto stream = engram_->FetchStream(&context_);
  ASSERT_TRUE(stream->Write(cancel));  // of a ticket that there is not
  v1::FetchResponse response;
  for (uint64_t ticket = 1; response.error().code() != StatusCode::CANCELLED; ticket += 2) {
    v1::FetchRequest request = RequestFor(Ids(900, static_cast<uint32_t>(ticket)));
    request.set_ticket(ticket);
    cancel.set_ticket(ticket);
    ASSERT_TRUE(stream->Write(request));
    ASSERT_TRUE(stream->Write(cancel));
    ASSERT_TRUE(stream->Read(&response));
    EXPECT_EQ(response.ticket(), ticket);
    EXPECT_TRUE(!response.has_error() || response.error().code() == StatusCode::CANCELLED);
  }
  const auto ids = Ids(10);
  v1::FetchRequest request = RequestFor(ids);
  request.set_ticket(2);
  request.set_needed_us(60'000'000);
  ASSERT_TRUE(stream->Write(request));
  ASSERT_TRUE(stream->Read(&response));
  EXPECT_EQ(response.ticket(), 2);
  EXPECT_EQ(CountWrongRows(ids, response.rows()), 0);
  stream->WritesDone();
  EXPECT_FALSE(stream->Read(&response));
  EXPECT_TRUE(stream->Finish().ok());

  const v1::TableStats stats = StatsOfTable();
  EXPECT_EQ(stats.fetch_errors(), 1);
  EXPECT_EQ(stats.fetches_on_time(), 1);
  EXPECT_EQ(stats.fetches_late(), 0);
}

TEST_F(FetchStreamTest, ASlowReaderHoldsNoMoreThanItsShare) {
  constexpr uint32_t kMaxFetches = 3;
  StartServer([](ServerOptions* options) { options->max_stream_fetches = kMaxFetches; });
  ImportModel();
  const auto ids = Ids(400);  // 845 KB an answer: more than the connection's windows
  v1::FetchRequest request = RequestFor(ids);
  const auto stream = engram_->FetchStream(&context_);
  constexpr int kFetches = 20;
  std::thread writer([&] {
    for (int i = 0; i < kFetches; ++i) {
      stream->Write(request);
    }
    stream->WritesDone();
  });
  // Until the reader begins, no more than the share is under way.
  for (int i = 0; i < 50; ++i) {
    EXPECT_LE(ServerStats().inflight_rows(), (kMaxFetches + 1) * ids.size());
  }
  int answers = 0;
  size_t wrong = 0;
  v1::FetchResponse response;
  while (stream->Read(&response)) {
    ++answers;
    wrong += CountWrongRows(ids, response.rows());
  }
  writer.join();
  EXPECT_TRUE(stream->Finish().ok());
  EXPECT_EQ(answers, kFetches);
  EXPECT_EQ(wrong, 0);
}

TEST_F(FetchStreamTest, BeyondTheInFlightLimitOthersAreRefusedUntilAnswersAreRead) {
  StartServer([](ServerOptions* options) {
    options->max_answer_bytes = 1 << 20;
    options->max_request_bytes = 64 << 10;
    options->max_in_flight_bytes = (1 << 20) + 4 * (64 << 10);
  });
  ImportModel();
  const auto ids = Ids(400);
  const auto stream = engram_->FetchStream(&context_);
  ASSERT_TRUE(stream->Write(RequestFor(ids)));
  while (ServerStats().inflight_bytes() == 0) {
    std::this_thread::yield();
  }
  grpc::Status status;
  Fetch(RequestFor(ids), &status);
  EXPECT_THAT(status, IsStatus(StatusCode::RESOURCE_EXHAUSTED, "in flight"));
  EXPECT_EQ(ServerStats().fetches_rejected(), 1);

  v1::FetchResponse response;
  ASSERT_TRUE(stream->Read(&response));
  EXPECT_EQ(CountWrongRows(ids, response.rows()), 0);
  while (ServerStats().inflight_bytes() != 0) {
    std::this_thread::yield();
  }
  EXPECT_EQ(CountWrongRows(ids, Fetch(RequestFor(ids), &status).rows()), 0);
  stream->WritesDone();
  EXPECT_TRUE(stream->Finish().ok());
}

TEST_F(FetchStreamTest, AClientThatGoesAwayGivesEverythingBack) {
  StartServer();
  ImportModel();
  for (int i = 0; i < 20; ++i) {
    grpc::ClientContext context;
    const auto stream = engram_->FetchStream(&context);
    for (int j = 0; j < 5; ++j) {
      stream->Write(RequestFor(Ids(300, static_cast<uint32_t>(j))));
    }
    context.TryCancel();
  }
  while (ServerStats().inflight_rows() != 0) {
    std::this_thread::yield();
  }
}

TEST_F(FetchStreamTest, AStoppingDaemonEndsTheStreamAfterWhatItRead) {
  StartServer();
  ImportModel();
  const auto ids = Ids(10);
  const auto stream = engram_->FetchStream(&context_);
  ASSERT_TRUE(stream->Write(RequestFor(ids)));
  v1::FetchResponse response;
  ASSERT_TRUE(stream->Read(&response));
  server_->Stop(absl::Seconds(30));
  EXPECT_FALSE(stream->Read(&response));
  EXPECT_THAT(stream->Finish(), IsStatus(StatusCode::UNAVAILABLE, "stopping"));
}

}  // namespace
}  // namespace engram::server
