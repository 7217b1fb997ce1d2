// The data plane's tables through a real daemon. For fetches see transports_test.
#include "server/engram_service.h"

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

}  // namespace
}  // namespace engram::server
