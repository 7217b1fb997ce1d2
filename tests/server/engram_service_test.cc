// The data plane's tables through a real daemon. For fetches see transports_test.
#include "server/engram_service.h"

#include <chrono>
#include <filesystem>
#include <fstream>
#include <future>
#include <string>
#include <vector>

#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/server/server_testing.h"

namespace engram::server {
namespace {

using grpc::StatusCode;

using EngramServiceTest = ServerTest;

TEST_F(EngramServiceTest, OpenTableTellsSpecIdentityAndLimits) {
  StartServer();
  ImportModel();
  const v1::OpenTableResponse table = OpenTable(kTable);
  EXPECT_EQ(table.identity().name(), kTable);
  EXPECT_EQ(table.identity().version(), 1);
  EXPECT_EQ(table.identity().digest().size(), 16);
  EXPECT_EQ(table.spec().rows(), checkpoint_.tables[0].rows);
  EXPECT_EQ(table.spec().row_bytes(), 264);
  EXPECT_EQ(table.spec().value_format(), v1::VALUE_FORMAT_FP8_E4M3_E8M0);
  EXPECT_EQ(table.spec().values_per_row(), 256);
  EXPECT_EQ(table.spec().scale_block(), 32);
  EXPECT_EQ(table.spec().group_size(), 8);
  EXPECT_THAT(std::vector<uint32_t>(table.spec().orders().begin(), table.spec().orders().end()),
              testing::ElementsAre(2, 3, 4));
  EXPECT_EQ(table.max_fetch_rows(), uint64_t{64 << 20} / 264 / 8 * 8);
  EXPECT_EQ(table.max_stream_fetches(), 64);
}

TEST_F(EngramServiceTest, OpenTableNamesWhatItDoesNotFind) {
  StartServer();
  v1::OpenTableRequest request;
  request.set_name("no/such");
  v1::OpenTableResponse response;
  grpc::ClientContext context;
  EXPECT_THAT(engram_->OpenTable(&context, request, &response),
              IsStatus(StatusCode::NOT_FOUND, "no/such"));
}

TEST_F(EngramServiceTest, LongNamesAreRefusedInShort) {
  StartServer();
  v1::FetchRequest request;
  request.mutable_table()->set_name(std::string(100'000, 'x'));
  request.mutable_table()->set_version(1);
  grpc::Status status;
  Fetch(request, &status);
  EXPECT_THAT(status, IsStatus(StatusCode::NOT_FOUND, "xxx"));
  EXPECT_LT(status.error_message().size(), 3000);
}

TEST_F(EngramServiceTest, RefusesAMessageThatIsNoRequest) {
  StartServer();
  grpc::GenericStub stub(channel_);
  grpc::ClientContext context;
  const grpc::Slice slice(std::string("\xff\xff\xff"));
  const grpc::ByteBuffer request(&slice, 1);
  grpc::ByteBuffer response;
  std::promise<grpc::Status> done;
  stub.UnaryCall(&context, "/engram.v1.Engram/Fetch", grpc::StubOptions(), &request, &response,
                 [&](grpc::Status status) { done.set_value(std::move(status)); });
  EXPECT_THAT(done.get_future().get(), IsStatus(StatusCode::INVALID_ARGUMENT, "no FetchRequest"));
}

class DeadlineTest : public EngramServiceTest {
 protected:
  // Fetches a group that RAM does not have, in a call with so much time, or with no deadline.
  v1::TableStats FetchOnce(absl::Duration window, bool has_deadline) {
    StartServer([&](ServerOptions* options) {
      options->store.ram_budget_bytes = 0;
      if (window > absl::ZeroDuration()) options->store.windows[kTable] = window;
    });
    ImportModel();
    grpc::Status status;
    Fetch(RequestFor(Ids(1)), &status, [&](grpc::ClientContext* context) {
      if (has_deadline) {
        context->set_deadline(std::chrono::system_clock::now() + std::chrono::hours(1));
      }
    });
    EXPECT_TRUE(status.ok()) << status.error_message();
    return StatsOfTable();
  }
};

TEST_F(DeadlineTest, ACallWithoutOneIsNeitherOnTimeNorLate) {
  const v1::TableStats stats = FetchOnce(absl::ZeroDuration(), /*has_deadline=*/false);
  EXPECT_EQ(stats.fetches_on_time(), 0);
  EXPECT_EQ(stats.fetches_late(), 0);
}

TEST_F(DeadlineTest, ACallWithoutOneHasItsTablesWindow) {
  const v1::TableStats stats = FetchOnce(absl::Nanoseconds(1), /*has_deadline=*/false);
  EXPECT_EQ(stats.fetches_on_time(), 0);
  EXPECT_EQ(stats.fetches_late(), 1);
}

TEST_F(DeadlineTest, ACallsOwnCountsBeforeTheWindow) {
  const v1::TableStats stats = FetchOnce(absl::Nanoseconds(1), /*has_deadline=*/true);
  EXPECT_EQ(stats.fetches_on_time(), 1);
  EXPECT_EQ(stats.fetches_late(), 0);
}

}  // namespace
}  // namespace engram::server
