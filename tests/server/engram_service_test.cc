// The data plane through a real daemon: rows, and a refusal for each way to ask wrongly. What a
// unary fetch and a fetch in a stream have in common is tested on both.
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

enum class Way { kUnary, kStream };

class FetchTest : public ServerTest, public testing::WithParamInterface<Way> {
 protected:
  // One fetch; a stream is opened for it. An error of the fetch is returned as a status either way.
  v1::FetchResponse Ask(v1::FetchRequest request, grpc::Status* status) {
    if (GetParam() == Way::kUnary) {
      return Fetch(request, status);
    }
    constexpr uint64_t kTicket = 77;
    request.set_ticket(kTicket);
    grpc::ClientContext context;
    const auto stream = engram_->FetchStream(&context);
    stream->Write(request);
    stream->WritesDone();
    v1::FetchResponse response;
    const bool answered = stream->Read(&response);
    *status = stream->Finish();
    if (status->ok()) {
      EXPECT_TRUE(answered);
      EXPECT_EQ(response.ticket(), kTicket);
      if (response.has_error()) {
        EXPECT_TRUE(response.rows().empty());
        *status = grpc::Status(static_cast<StatusCode>(response.error().code()),
                               response.error().message());
      }
    }
    return response;
  }

  grpc::Status Refusal(const v1::FetchRequest& request) {
    grpc::Status status;
    Ask(request, &status);
    ExpectServing();
    return status;
  }

  // Whatever was refused, others are served.
  void ExpectServing() {
    const auto ids = Ids(3);
    grpc::Status status;
    const auto response = Fetch(RequestFor(ids), &status);
    ASSERT_TRUE(status.ok()) << status.error_message();
    EXPECT_EQ(CountWrongRows(ids, response.rows()), 0);
  }
};

INSTANTIATE_TEST_SUITE_P(Ways, FetchTest, testing::Values(Way::kUnary, Way::kStream),
                         [](const auto& param) {
                           return param.param == Way::kUnary ? "Unary" : "Stream";
                         });

TEST_P(FetchTest, ReturnsTheRowsAskedForAndWhereTheyWere) {
  StartServer();
  ImportModel();
  const auto ids = Ids(100);
  v1::FetchRequest request = RequestFor(ids);
  request.set_report_tiers(true);
  grpc::Status status;
  auto response = Ask(request, &status);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(CountWrongRows(ids, response.rows()), 0);
  EXPECT_EQ(response.tiers(), std::string(100, v1::TIER_COLD));

  response = Ask(request, &status);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(CountWrongRows(ids, response.rows()), 0);
  EXPECT_EQ(response.tiers(), std::string(100, v1::TIER_RAM));

  request.set_report_tiers(false);
  EXPECT_TRUE(Ask(request, &status).tiers().empty());
}

TEST_P(FetchTest, AnIdentityWithoutADigestIsEnough) {
  StartServer();
  ImportModel();
  const auto ids = Ids(2);
  v1::FetchRequest request = RequestFor(ids);
  request.mutable_table()->clear_digest();
  grpc::Status status;
  EXPECT_EQ(CountWrongRows(ids, Ask(request, &status).rows()), 0);
}

TEST_P(FetchTest, RefusesWrongIdentities) {
  StartServer();
  ImportModel();
  v1::FetchRequest request = RequestFor(Ids(1));
  request.mutable_table()->set_digest(std::string(16, 'x'));
  EXPECT_THAT(Refusal(request), IsStatus(StatusCode::FAILED_PRECONDITION, kTable));
  request.mutable_table()->set_version(9);
  EXPECT_THAT(Refusal(request), IsStatus(StatusCode::NOT_FOUND, "9"));
  request.mutable_table()->clear_version();
  EXPECT_THAT(Refusal(request), IsStatus(StatusCode::INVALID_ARGUMENT, "no version"));
  request.mutable_table()->set_version(1);
  request.mutable_table()->set_name("no/such");
  EXPECT_THAT(Refusal(request), IsStatus(StatusCode::NOT_FOUND, "no/such"));
}

TEST_P(FetchTest, RefusesIdsThatAreNoWholeGroupsOfTheTable) {
  StartServer();
  ImportModel();
  EXPECT_THAT(Refusal(RequestFor({})), IsStatus(StatusCode::INVALID_ARGUMENT, "no row ids"));
  std::vector<uint32_t> ids = Ids(2);
  ids.pop_back();
  EXPECT_THAT(Refusal(RequestFor(ids)), IsStatus(StatusCode::INVALID_ARGUMENT, "15 row ids"));
  ids.push_back(static_cast<uint32_t>(checkpoint_.tables[0].rows));
  EXPECT_THAT(Refusal(RequestFor(ids)), IsStatus(StatusCode::OUT_OF_RANGE, "at index 15"));
}

TEST_P(FetchTest, RefusesMoreRowsThanOneAnswerMayHold) {
  StartServer([](ServerOptions* options) { options->max_answer_bytes = 1 << 20; });
  ImportModel();
  const uint64_t most = OpenTable(kTable).max_fetch_rows();
  EXPECT_EQ(most, (1 << 20) / 264 / 8 * 8);
  grpc::Status status;
  Ask(RequestFor(Ids(most / 8)), &status);
  EXPECT_TRUE(status.ok()) << status.error_message();
  EXPECT_THAT(Refusal(RequestFor(Ids(most / 8 + 1))),
              IsStatus(StatusCode::RESOURCE_EXHAUSTED, std::to_string(most)));
}

TEST_P(FetchTest, RefusesMessagesOverTheLimit) {
  StartServer([](ServerOptions* options) { options->max_request_bytes = 64 << 10; });
  ImportModel();
  EXPECT_LT(OpenTable(kTable).max_fetch_rows() * 4, 64 << 10);
  EXPECT_THAT(Refusal(RequestFor(Ids(4096))),
              IsStatus(StatusCode::RESOURCE_EXHAUSTED, std::to_string(64 << 10)));
}

TEST_P(FetchTest, NamesTheRowThatTheDiskLost) {
  StartServer([](ServerOptions* options) { options->store.ram_budget_bytes = 0; });
  ImportModel();
  // The second half of every table file becomes zeroes.
  for (const auto& entry : std::filesystem::directory_iterator(dir_ + "/data/db")) {
    if (entry.path().extension() == ".sst" && entry.file_size() > (64 << 10)) {
      std::fstream file(entry.path(), std::ios::in | std::ios::out | std::ios::binary);
      const auto half = static_cast<std::streamoff>(entry.file_size() / 2);
      file.seekp(half);
      file << std::string(static_cast<size_t>(half) - (32 << 10), '\0');
    }
  }
  const auto last = static_cast<uint32_t>(checkpoint_.tables[0].rows * 3 / 4);
  grpc::Status status;
  Ask(RequestFor(std::vector<uint32_t>(8, last)), &status);
  EXPECT_THAT(status, IsStatus(StatusCode::DATA_LOSS, "row " + std::to_string(last)));
  const std::vector<uint32_t> whole(8, 5);
  EXPECT_EQ(CountWrongRows(whole, Ask(RequestFor(whole), &status).rows()), 0);
}

TEST_P(FetchTest, RefusesADroppedTable) {
  StartServer();
  ImportModel();
  const v1::FetchRequest request = RequestFor(Ids(1));
  v1::DropRequest drop;
  drop.set_name(kTable);
  v1::DropResponse dropped;
  grpc::ClientContext context;
  ASSERT_TRUE(admin_->Drop(&context, drop, &dropped).ok());
  grpc::Status status;
  Ask(request, &status);
  EXPECT_THAT(status, IsStatus(StatusCode::NOT_FOUND, kTable));
}

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
