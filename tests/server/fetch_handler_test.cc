// What cannot be seen through gRPC, whose client tells a passed deadline by itself.
#include "server/fetch_handler.h"

#include <filesystem>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "client/checkpoint/checkpoint_writer.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/server/server_testing.h"

namespace engram::server {
namespace {

using testing::HasSubstr;

class FetchHandlerTest : public testing::Test {
 protected:
  FetchHandlerTest() : dir_(TestDir("handler")) {
    EXPECT_TRUE(MakeCheckpoint({.directory = dir_ + "/checkpoint", .vocab_size = 200}).ok());
    storage::StoreOptions store_options;
    store_options.data_dir = dir_ + "/data";
    auto store = storage::TieredStore::Open(store_options);
    EXPECT_TRUE(store.ok()) << store.status();
    store_ = *std::move(store);
    storage::ImportOptions import_options;
    import_options.path = dir_ + "/checkpoint";
    import_options.name = kModel;
    const auto imported =
        store_->Import(import_options, [](const storage::ImportProgress&) { return true; });
    EXPECT_TRUE(imported.ok()) << imported.status();
    handler_ = std::make_unique<FetchHandler>(store_.get(), in_flight_,
                                              FetchLimits{.rows = 80, .answer_bytes = 1 << 20});
  }
  ~FetchHandlerTest() override {
    store_.reset();
    std::filesystem::remove_all(dir_);
  }

  absl::Status Fetch(int ids, absl::Time deadline) {
    v1::FetchRequest request;
    request.mutable_table()->set_name(kTable);
    request.mutable_table()->set_version(1);
    for (int i = 0; i < ids; ++i) {
      request.add_row_ids(static_cast<uint32_t>(i));
    }
    absl::Notification done;
    absl::Status status;
    handler_->Start(std::move(request), deadline, cancelled_,
                    [&](absl::StatusOr<grpc::ByteBuffer> answer) {
                      status = answer.status();
                      done.Notify();
                    });
    done.WaitForNotification();
    return status;
  }

  const std::string dir_;
  const std::shared_ptr<InFlightLimit> in_flight_ = std::make_shared<InFlightLimit>(1 << 20);
  std::unique_ptr<storage::TieredStore> store_;
  std::unique_ptr<FetchHandler> handler_;
  const std::shared_ptr<storage::CancelFlag> cancelled_ = std::make_shared<storage::CancelFlag>(0);
};

TEST_F(FetchHandlerTest, APassedDeadlineIsToldAndOthersAreServed) {
  EXPECT_TRUE(absl::IsDeadlineExceeded(Fetch(8, absl::Now() - absl::Seconds(1))));
  EXPECT_TRUE(Fetch(8, absl::InfiniteFuture()).ok());
  EXPECT_TRUE(in_flight_->AwaitIdle(absl::Seconds(60)));  // once the last answer is let go of
}

TEST_F(FetchHandlerTest, ACancelledFetchIsGivenUp) {
  *cancelled_ = 1;
  EXPECT_TRUE(absl::IsCancelled(Fetch(8, absl::InfiniteFuture())));
  *cancelled_ = 0;
  EXPECT_TRUE(Fetch(8, absl::InfiniteFuture()).ok());
}

TEST_F(FetchHandlerTest, TheLimitOfRowsIsNamed) {
  EXPECT_TRUE(Fetch(80, absl::InfiniteFuture()).ok());
  const absl::Status status = Fetch(88, absl::InfiniteFuture());
  EXPECT_TRUE(absl::IsResourceExhausted(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr("limit of 80"));
}

TEST_F(FetchHandlerTest, ADrainingOneRefuses) {
  handler_->BeginDrain();
  EXPECT_TRUE(absl::IsUnavailable(Fetch(8, absl::InfiniteFuture())));
}

}  // namespace
}  // namespace engram::server
