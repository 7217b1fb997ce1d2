// The rpcs Pin and Unpin through a real daemon.
#include "server/pin.h"

#include <memory>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/server/server_testing.h"

namespace engram::server {
namespace {

using grpc::StatusCode;

class PinTest : public ServerTest {
 protected:
  using Stream = grpc::ClientReaderWriter<v1::PinRequest, v1::PinProgress>;

  // A call under way.
  struct Call {
    grpc::ClientContext context;
    std::unique_ptr<Stream> stream;
    v1::PinProgress progress;

    // Returns whether the message was answered.
    bool Send(const v1::PinRequest& request) {
      return stream->Write(request) && stream->Read(&progress);
    }
    grpc::Status Finish() {
      stream->WritesDone();
      return stream->Finish();
    }
  };

  std::unique_ptr<Call> Begin(bool unpin) {
    auto call = std::make_unique<Call>();
    call->stream = unpin ? admin_->Unpin(&call->context) : admin_->Pin(&call->context);
    return call;
  }
  std::unique_ptr<Call> BeginPin() { return Begin(false); }
  std::unique_ptr<Call> BeginUnpin() { return Begin(true); }

  static v1::PinRequest RequestOf(const std::vector<uint32_t>& ids, bool last = true) {
    v1::PinRequest request;
    request.set_name(kTable);
    request.mutable_row_ids()->Assign(ids.begin(), ids.end());
    request.set_last(last);
    return request;
  }
  static v1::PinRequest All() {
    v1::PinRequest request = RequestOf({});
    request.set_all(true);
    return request;
  }

  // How a call with one message ends.
  grpc::Status StatusOf(bool unpin, const v1::PinRequest& request) {
    const auto call = Begin(unpin);
    call->Send(request);
    return call->Finish();
  }
  grpc::Status StatusOfPin(const v1::PinRequest& request) { return StatusOf(false, request); }
  grpc::Status StatusOfUnpin(const v1::PinRequest& request) { return StatusOf(true, request); }

  uint64_t CountPinned() { return StatsOfTable().tiers(0).pinned(); }
};

TEST_F(PinTest, PinsTheGroupsOfAllMessages) {
  StartServer();
  ImportModel();
  const auto call = BeginPin();
  ASSERT_TRUE(call->Send(RequestOf({}, false)));
  EXPECT_EQ(call->progress.table().name(), kTable);
  const uint64_t limit = call->progress.limit();
  EXPECT_GT(limit, 50U);
  ASSERT_TRUE(call->Send(RequestOf(Ids(20), false)));
  EXPECT_EQ(call->progress.groups(), 20U);
  EXPECT_EQ(CountPinned(), 0U);  // before the last has come
  ASSERT_TRUE(call->Send(RequestOf(Ids(25))));
  EXPECT_EQ(call->progress.groups(), 45U);
  EXPECT_EQ(call->progress.pinned(), call->progress.changed());
  EXPECT_GE(call->progress.pinned(), 25U);
  EXPECT_TRUE(call->progress.saved());
  EXPECT_TRUE(call->Finish().ok());
  const uint64_t pinned = CountPinned();
  EXPECT_EQ(pinned, call->progress.pinned());

  const auto some = BeginUnpin();
  ASSERT_TRUE(some->Send(RequestOf(Ids(1))));
  EXPECT_EQ(some->progress.changed(), 1U);
  EXPECT_TRUE(some->Finish().ok());
  const auto all = BeginUnpin();
  ASSERT_TRUE(all->Send(All()));
  EXPECT_EQ(all->progress.changed(), pinned - 1);
  EXPECT_TRUE(all->Finish().ok());
  EXPECT_EQ(CountPinned(), 0U);
}

TEST_F(PinTest, NamesWhatIsWrong) {
  StartServer();
  ImportModel();
  v1::PinRequest nothing = RequestOf(Ids(1));
  nothing.set_name("nothing");
  EXPECT_THAT(StatusOfPin(nothing), IsStatus(StatusCode::NOT_FOUND, "nothing"));
  for (const bool unpin : {false, true}) {
    EXPECT_THAT(StatusOf(unpin, RequestOf({1, 2, 3})),
                IsStatus(StatusCode::INVALID_ARGUMENT, "3 row ids"));
    EXPECT_THAT(StatusOf(unpin, RequestOf({})),
                IsStatus(StatusCode::INVALID_ARGUMENT, "no groups"));
    std::vector<uint32_t> ids = Ids(3);
    ids[13] = 4'000'000'000;
    EXPECT_THAT(StatusOf(unpin, RequestOf(ids)),
                IsStatus(StatusCode::OUT_OF_RANGE, "4000000000 at index 13"));
  }
  EXPECT_THAT(StatusOfPin(All()), IsStatus(StatusCode::INVALID_ARGUMENT, "all"));
  v1::PinRequest both = All();
  both.mutable_row_ids()->Add(0);
  for (uint32_t id = 1; id < 8; ++id) both.mutable_row_ids()->Add(id);
  EXPECT_THAT(StatusOfUnpin(both), IsStatus(StatusCode::INVALID_ARGUMENT, "all"));
  EXPECT_EQ(CountPinned(), 0U);
}

TEST_F(PinTest, TooManyPinNothing) {
  StartServer([](ServerOptions* options) { options->store.ram_budget_bytes = 1 << 20; });
  ImportModel();
  const auto call = BeginPin();
  ASSERT_TRUE(call->Send(RequestOf({}, false)));
  const uint64_t limit = call->progress.limit();
  for (uint32_t seed = 0; seed < 40; ++seed) {
    ASSERT_TRUE(call->Send(RequestOf(Ids(60, seed), false)));
  }
  call->Send(RequestOf(Ids(1, 99)));
  EXPECT_THAT(call->Finish(), IsStatus(StatusCode::RESOURCE_EXHAUSTED, std::to_string(limit)));
  EXPECT_EQ(CountPinned(), 0U);
}

TEST_F(PinTest, ACallWithoutItsLastMessageDoesNothing) {
  StartServer();
  ImportModel();
  const auto ended = BeginPin();
  ASSERT_TRUE(ended->Send(RequestOf(Ids(5), false)));
  EXPECT_THAT(ended->Finish(), IsStatus(StatusCode::CANCELLED, "last message"));
  for (int i = 0; i < 10; ++i) {  // more than may run at once: each has to end
    const auto call = BeginPin();
    ASSERT_TRUE(call->Send(RequestOf(Ids(5), false)));
    call->context.TryCancel();
    EXPECT_THAT(call->Finish(), IsStatus(StatusCode::CANCELLED, ""));
  }
  EXPECT_EQ(CountPinned(), 0U);
}

TEST_F(PinTest, ATableThatIsHeldWholeNeedsNone) {
  StartServer([](ServerOptions* options) {
    options->store.ram_budget_bytes = 64 << 20;
    options->store.whole_tables = {"*"};
  });
  ImportModel();
  EXPECT_THAT(StatusOfPin(RequestOf(Ids(1))), IsStatus(StatusCode::FAILED_PRECONDITION, "whole"));
  EXPECT_THAT(StatusOfUnpin(All()), IsStatus(StatusCode::FAILED_PRECONDITION, "whole"));
}

TEST_F(PinTest, ADaemonThatStopsEndsCalls) {
  StartServer();
  ImportModel();
  const auto call = BeginPin();
  ASSERT_TRUE(call->Send(RequestOf(Ids(5), false)));
  server_->Stop(absl::Seconds(30));
  EXPECT_THAT(call->Finish(), IsStatus(StatusCode::UNAVAILABLE, ""));
}

}  // namespace
}  // namespace engram::server
