// The rpc WarmUp through a real daemon.
#include "server/warm_up.h"

#include <memory>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/server/server_testing.h"

namespace engram::server {
namespace {

using grpc::StatusCode;

constexpr uint32_t kGroupSize = 8;

class WarmUpTest : public ServerTest {
 protected:
  using Stream = grpc::ClientReaderWriter<v1::WarmUpRequest, v1::WarmUpProgress>;

  // A call under way, whose first message was answered.
  struct Call {
    grpc::ClientContext context;
    std::unique_ptr<Stream> stream;
    v1::WarmUpProgress progress;

    // Returns whether the message was answered.
    bool Send(const v1::WarmUpRequest& request) {
      return stream->Write(request) && stream->Read(&progress);
    }
    grpc::Status Finish() {
      stream->WritesDone();
      return stream->Finish();
    }
  };

  std::unique_ptr<Call> Begin(const std::string& name = kTable) {
    auto call = std::make_unique<Call>();
    call->stream = admin_->WarmUp(&call->context);
    v1::WarmUpRequest request;
    request.set_name(name);
    call->Send(request);
    return call;
  }

  static v1::WarmUpRequest RequestOf(const std::vector<uint32_t>& ids) {
    v1::WarmUpRequest request;
    request.mutable_row_ids()->Assign(ids.begin(), ids.end());
    return request;
  }

  // How a call with one more message ends.
  grpc::Status StatusOf(const v1::WarmUpRequest& request) {
    const auto call = Begin();
    call->Send(request);
    return call->Finish();
  }

  // The groups that RAM serves; all rows must be right.
  size_t CountRamHits(const std::vector<uint32_t>& ids) {
    v1::FetchRequest request = RequestFor(ids);
    request.set_report_tiers(true);
    grpc::Status status;
    const v1::FetchResponse response = Fetch(request, &status);
    EXPECT_TRUE(status.ok()) << status.error_message();
    EXPECT_EQ(CountWrongRows(ids, response.rows()), 0U);
    return static_cast<size_t>(std::count(response.tiers().begin(), response.tiers().end(),
                                          static_cast<char>(v1::TIER_RAM)));
  }
};

TEST_F(WarmUpTest, WhatWasSentIsInRam) {
  StartServer();
  ImportModel();
  const auto call = Begin();
  EXPECT_EQ(call->progress.table().name(), kTable);
  EXPECT_GT(call->progress.room_groups(), 300U);
  EXPECT_EQ(call->progress.groups(), 0U);
  v1::WarmUpRequest request = RequestOf(Ids(60));
  for (int i = 0; i < 60; ++i) {
    request.add_uses(static_cast<uint32_t>(1000 - i));
    request.add_ages(uint64_t{100} << i % 40);
    request.add_gaps(7);
  }
  ASSERT_TRUE(call->Send(request));
  EXPECT_EQ(call->progress.groups(), 60U);
  EXPECT_EQ(call->progress.admitted(), 60U);
  ASSERT_TRUE(call->Send(RequestOf(Ids(61))));
  EXPECT_EQ(call->progress.groups(), 121U);
  EXPECT_EQ(call->progress.admitted() + call->progress.held(), 121U);
  EXPECT_GE(call->progress.held(), 60U);
  EXPECT_TRUE(call->Finish().ok());
  EXPECT_EQ(CountRamHits(Ids(60)), 60U);
}

TEST_F(WarmUpTest, WhatFindsNoRoomIsRefused) {
  StartServer();
  ImportModel();
  const auto call = Begin();
  const auto room = static_cast<size_t>(call->progress.room_groups());
  for (uint32_t part = 0; part < 4; ++part) {
    ASSERT_TRUE(call->Send(RequestOf(Ids(room / 3, part))));
  }
  EXPECT_GT(call->progress.refused(), 0U);
  EXPECT_TRUE(call->Finish().ok());
  EXPECT_EQ(CountRamHits(Ids(room / 3, 0)), room / 3);  // first come
}

TEST_F(WarmUpTest, NamesWhatIsWrong) {
  StartServer();
  ImportModel();
  EXPECT_THAT(Begin("nothing")->Finish(), IsStatus(StatusCode::NOT_FOUND, "nothing"));
  EXPECT_THAT(StatusOf(RequestOf({1, 2, 3})), IsStatus(StatusCode::INVALID_ARGUMENT, "3 row ids"));
  std::vector<uint32_t> ids = Ids(3);
  ids[13] = 4'000'000'000;
  EXPECT_THAT(StatusOf(RequestOf(ids)),
              IsStatus(StatusCode::OUT_OF_RANGE, "4000000000 at index 13"));
  v1::WarmUpRequest request = RequestOf(Ids(2));
  request.add_uses(1);
  EXPECT_THAT(StatusOf(request), IsStatus(StatusCode::INVALID_ARGUMENT, "1 uses for 2 groups"));
  request.add_uses(0);
  EXPECT_THAT(StatusOf(request), IsStatus(StatusCode::INVALID_ARGUMENT, "0 ages for 2 groups"));
  for (int i = 0; i < 2; ++i) {
    request.add_ages(0);
    request.add_gaps(0);
  }
  EXPECT_THAT(StatusOf(request), IsStatus(StatusCode::INVALID_ARGUMENT, "group 1"));
}

TEST_F(WarmUpTest, ATableThatIsHeldWholeNeedsNone) {
  StartServer([](ServerOptions* options) {
    options->store.ram_budget_bytes = 64 << 20;
    options->store.whole_tables = {"*"};
  });
  ImportModel();
  EXPECT_THAT(Begin()->Finish(), IsStatus(StatusCode::FAILED_PRECONDITION, "whole"));
}

TEST_F(WarmUpTest, FourAtOnce) {
  StartServer();
  ImportModel();
  std::vector<std::unique_ptr<Call>> calls;
  for (int i = 0; i < 4; ++i) calls.push_back(Begin());
  EXPECT_THAT(Begin()->Finish(), IsStatus(StatusCode::RESOURCE_EXHAUSTED, "warm-ups"));
  for (const auto& call : calls) EXPECT_TRUE(call->Finish().ok());
}

TEST_F(WarmUpTest, ClosingTheCallCancels) {
  StartServer();
  ImportModel();
  for (int i = 0; i < 10; ++i) {  // more than may run at once: each has to end
    const auto call = Begin();
    call->context.TryCancel();
    EXPECT_THAT(call->Finish(), IsStatus(StatusCode::CANCELLED, ""));
  }
}

TEST_F(WarmUpTest, ADaemonThatStopsEndsCalls) {
  StartServer();
  ImportModel();
  const auto call = Begin();
  server_->Stop(absl::Seconds(30));
  EXPECT_THAT(call->Finish(), IsStatus(StatusCode::UNAVAILABLE, ""));
}

TEST(KnownGroupsOfTest, TimesAreToldInTheStoresTerms) {
  v1::WarmUpRequest request;
  for (uint32_t id = 0; id < 3 * kGroupSize; ++id) request.add_row_ids(id);
  request.mutable_uses()->Add(1);
  request.mutable_uses()->Add(2);
  request.mutable_uses()->Add(1'000'000);
  for (const uint64_t age : {uint64_t{0}, uint64_t{1600}, ~uint64_t{0}}) request.add_ages(age);
  for (const uint64_t gap : {99, 16, 64}) request.add_gaps(gap);
  const auto groups = KnownGroupsOf(request, kGroupSize);
  ASSERT_TRUE(groups.ok()) << groups.status();
  const storage::GroupPast once = {.age = 0, .uses = 1, .gap = 0};
  const storage::GroupPast twice = {.age = 100, .uses = 2, .gap = 0};
  const storage::GroupPast often = {.age = 0x7FFFFFFF, .uses = 255, .gap = 2};
  EXPECT_THAT(groups->pasts, testing::ElementsAre(once, twice, often));
  EXPECT_EQ(groups->row_ids.size(), 3 * kGroupSize);
}

}  // namespace
}  // namespace engram::server
