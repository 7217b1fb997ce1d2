#include "client/fetch_request.h"

#include "engram/v1/engram.grpc.pb.h"
#include "gmock/gmock.h"
#include "tests/client/client_testing.h"

namespace engram {
namespace {

using testing::HasSubstr;

// A daemon whose answers hold as few rows as the option allows: 3968 of 264 bytes.
class FetchRequestTest : public testing::Test {
 protected:
  static server::ServerOptions SmallAnswers() {
    server::ServerOptions options;
    options.max_answer_bytes = 1 << 20;
    return options;
  }

  // What the daemon itself says to these ids.
  absl::Status AskDaemon(const std::vector<uint32_t>& ids) {
    const auto stub = v1::Engram::NewStub(
        grpc::CreateChannel(daemon_.address(), grpc::InsecureChannelCredentials()));
    v1::FetchRequest request;
    request.mutable_table()->set_name(table_->name());
    request.mutable_table()->set_version(table_->version());
    request.mutable_row_ids()->Assign(ids.begin(), ids.end());
    grpc::ClientContext context;
    v1::FetchResponse response;
    const grpc::Status status = stub->Fetch(&context, request, &response);
    return {static_cast<absl::StatusCode>(status.error_code()), status.error_message()};
  }

  absl::Status Fetch(const std::vector<uint32_t>& ids) {
    std::vector<std::byte> rows = MakeOutput(*table_, ids);
    return table_->Fetch(ids, absl::MakeSpan(rows));
  }

  Daemon daemon_{Transport::kUnix, 1, SmallAnswers()};
  std::unique_ptr<Client> client_ = MustConnect(daemon_.address());
  std::unique_ptr<Table> table_ = MustOpen(*client_);
};

TEST_F(FetchRequestTest, RefusesAsTheDaemonDoes) {
  std::vector<uint32_t> out_of_range = RandomIds(*table_, 5, 1);
  out_of_range[17] = static_cast<uint32_t>(table_->spec().rows);
  out_of_range[30] = 0xFFFFFFFF;
  const struct {
    std::vector<uint32_t> ids;
    absl::StatusCode code;
    const char* message;
  } cases[] = {
      {{}, absl::StatusCode::kInvalidArgument, "no row ids"},
      {std::vector<uint32_t>(9, 1), absl::StatusCode::kInvalidArgument, "9 row ids"},
      {out_of_range, absl::StatusCode::kOutOfRange, "at index 17"},
      {std::vector<uint32_t>(3976, 1), absl::StatusCode::kResourceExhausted, "limit of 3968"},
  };
  EXPECT_EQ(table_->max_fetch_rows(), 3968u);
  for (const auto& [ids, code, message] : cases) {
    const absl::Status status = Fetch(ids);
    EXPECT_EQ(status.code(), code) << status;
    EXPECT_THAT(status.message(), HasSubstr(message));
    EXPECT_EQ(status, AskDaemon(ids));
  }
  EXPECT_EQ(Fetch(std::vector<uint32_t>(3968, 1)), absl::OkStatus());
}

TEST_F(FetchRequestTest, RefusesOutputsOfTheWrongSize) {
  const std::vector<uint32_t> ids = RandomIds(*table_, 2, 1);
  std::vector<std::byte> rows = MakeOutput(*table_, ids);
  for (const size_t size : {size_t{0}, rows.size() - 1, rows.size() + 1}) {
    std::vector<std::byte> wrong(size);
    const absl::Status status = table_->Fetch(ids, absl::MakeSpan(wrong));
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
    EXPECT_THAT(status.message(), HasSubstr("and 4224 are needed"));
  }
  for (const size_t size : {1, 3}) {
    std::vector<Tier> tiers(size);
    const absl::Status status =
        table_->Fetch(ids, absl::MakeSpan(rows), {.tiers = absl::MakeSpan(tiers)});
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
    EXPECT_THAT(status.message(), HasSubstr("and 2 are needed"));
  }
}

TEST_F(FetchRequestTest, RefusedTicketIsDone) {
  Ticket ticket = table_->Submit({}, {});
  EXPECT_TRUE(ticket.done());
  ticket.Cancel();
  EXPECT_TRUE(absl::IsInvalidArgument(ticket.Wait()));
}

}  // namespace
}  // namespace engram
