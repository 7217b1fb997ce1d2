// What fetches have in common, whatever way they take to a real daemon: the same rows, and for each
// way to ask wrongly the same refusal, word for word.
#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include <grpcpp/grpcpp.h>

#include "absl/strings/str_cat.h"
#include "client/shm/shared_heap.h"
#include "client/shm/shared_link.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "proto/shared_memory.h"
#include "tests/server/server_testing.h"

namespace engram::server {
namespace {

using grpc::StatusCode;

enum class Way { kUnary, kTcp, kStream, kShared };

class FetchTest : public ServerTest, public testing::WithParamInterface<Way> {
 protected:
  void StartServer(const std::function<void(ServerOptions*)>& change = nullptr) {
    ServerTest::StartServer([&](ServerOptions* options) {
      options->tcp_address = "127.0.0.1:0";
      if (change) {
        change(options);
      }
    });
  }

  // One fetch. An error of the fetch is returned as a status, whatever the way.
  v1::FetchResponse Ask(const v1::FetchRequest& request, grpc::Status* status) {
    switch (GetParam()) {
      case Way::kUnary:
        return Fetch(request, status);
      case Way::kTcp:
        return AskByTcp(request, status);
      case Way::kStream:
        return AskByStream(request, status);
      case Way::kShared:
        return AskBySharedMemory(request, status);
    }
    return {};
  }

  v1::FetchResponse AskByTcp(const v1::FetchRequest& request, grpc::Status* status) {
    const auto channel = grpc::CreateChannel(absl::StrCat("127.0.0.1:", server_->tcp_port()),
                                             grpc::InsecureChannelCredentials());
    grpc::ClientContext context;
    v1::FetchResponse response;
    *status = v1::Engram::NewStub(channel)->Fetch(&context, request, &response);
    return response;
  }

  v1::FetchResponse AskByStream(v1::FetchRequest request, grpc::Status* status) {
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

  // What a client without checks of its own would ask.
  v1::FetchResponse AskBySharedMemory(const v1::FetchRequest& request, grpc::Status* status) {
    auto heap = SharedHeap::Create(uint64_t{16} << 20, /*slots=*/1);
    EXPECT_TRUE(heap.ok()) << heap.status();
    auto link = SharedLink::Request(socket_, *heap);
    EXPECT_TRUE(link.ok()) << link.status();
    EXPECT_EQ((*link)->Finish(absl::InfiniteFuture()), absl::OkStatus());
    const auto count = static_cast<size_t>(request.row_ids_size());
    const auto ids = (*heap)->Allocate(count * sizeof(uint32_t));
    const auto rows = (*heap)->Allocate(count * 264);
    const auto tiers = (*heap)->Allocate(count / 8);
    std::copy(request.row_ids().begin(), request.row_ids().end(),
              reinterpret_cast<uint32_t*>(ids.data()));
    const std::string& name = request.table().name();
    shm::Call call = {};
    call.version = request.table().version();
    call.ids_offset = ids.offset();
    call.rows_offset = rows.offset();
    call.rows_bytes = count * 264;
    call.tiers_offset = tiers.offset();
    call.tiers_bytes = request.report_tiers() || request.partial() ? count / 8 : 0;
    call.deadline_us = request.deadline_us();
    call.flags = (request.partial() ? shm::kPartial : 0) | (request.bulk() ? shm::kBulk : 0) |
                 (request.prefetch() ? shm::kPrefetch : 0);
    if (request.prefetch()) call.rows_bytes = 0;
    call.ids = static_cast<uint32_t>(count);
    call.name_bytes = static_cast<uint32_t>(name.size());
    std::memcpy(call.name, name.data(), name.size());
    std::memcpy(call.digest, request.table().digest().data(), request.table().digest().size());
    const uint32_t slot = (*link)->Submit(call).value();
    EXPECT_EQ((*link)->Await(slot, absl::InfiniteFuture()), SharedLink::Progress::kDone);
    const absl::Status outcome = (*link)->Outcome(slot);
    *status = grpc::Status(static_cast<StatusCode>(outcome.code()), std::string(outcome.message()));
    v1::FetchResponse response;
    if (outcome.ok()) {
      response.set_rows(rows.data(), call.rows_bytes);
      response.set_tiers(tiers.data(), call.tiers_bytes);
    }
    return response;
  }

  grpc::Status Refusal(const v1::FetchRequest& request) {
    grpc::Status status;
    Ask(request, &status);
    grpc::Status unary;
    Fetch(request, &unary);
    EXPECT_EQ(status.error_code(), unary.error_code());
    EXPECT_EQ(status.error_message(), unary.error_message());
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

std::string WayName(const testing::TestParamInfo<Way>& info) {
  constexpr const char* kNames[] = {"Unary", "Tcp", "Stream", "SharedMemory"};
  return kNames[static_cast<size_t>(info.param)];
}

INSTANTIATE_TEST_SUITE_P(Ways, FetchTest,
                         testing::Values(Way::kUnary, Way::kTcp, Way::kStream, Way::kShared),
                         WayName);

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

// However little time there is, a group is right or absent.
TEST_P(FetchTest, APartialAnswerSaysWhatIsAbsent) {
  StartServer();
  ImportModel();
  size_t absent = 0;
  size_t there = 0;
  for (uint32_t seed = 0; absent == 0 || there == 0; ++seed) {
    const auto ids = Ids(20, seed);
    v1::FetchRequest request = RequestFor(ids);
    request.set_partial(true);
    request.set_deadline_us(seed % 2 == 0 ? 1 : 30'000'000);
    grpc::Status status;
    const auto response = Ask(request, &status);
    ASSERT_TRUE(status.ok()) << status.error_message();
    ASSERT_EQ(response.tiers().size(), 20U);
    ASSERT_EQ(response.rows().size(), 20U * 8 * 264);
    for (size_t group = 0; group < 20; ++group) {
      const std::string rows = response.rows().substr(group * 8 * 264, size_t{8} * 264);
      if (response.tiers()[group] == v1::TIER_ABSENT) {
        ++absent;
        EXPECT_EQ(rows, std::string(size_t{8} * 264, '\xFF'));
      } else {
        ++there;
        const auto begin = ids.begin() + static_cast<ptrdiff_t>(group * 8);
        EXPECT_EQ(CountWrongRows({begin, begin + 8}, rows), 0);
      }
    }
  }
}

TEST_P(FetchTest, AHintIsAnsweredWithoutRowsAndBringsThem) {
  StartServer();
  ImportModel();
  const auto ids = Ids(20);
  v1::FetchRequest request = RequestFor(ids);
  request.set_prefetch(true);
  grpc::Status status;
  const auto response = Ask(request, &status);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_TRUE(response.rows().empty());
  EXPECT_TRUE(response.tiers().empty());
  const auto used = [&] {
    v1::GetStatsResponse stats;
    grpc::ClientContext context;
    EXPECT_TRUE(admin_->GetStats(&context, v1::GetStatsRequest(), &stats).ok());
    for (const v1::TableStats& table : stats.tables()) {
      if (table.identity().name() == kTable) return table.prefetch();
    }
    return v1::PrefetchStats();
  };
  EXPECT_EQ(used().accepted(), 20U);
  v1::FetchRequest fetch = RequestFor(ids);
  fetch.set_report_tiers(true);
  EXPECT_EQ(CountWrongRows(ids, Ask(fetch, &status).rows()), 0);

  request.set_row_ids(0, static_cast<uint32_t>(checkpoint_.tables[0].rows));
  EXPECT_THAT(Refusal(request), IsStatus(StatusCode::OUT_OF_RANGE, "at index 0"));
}

TEST_P(FetchTest, ABulkFetchHasTheSameRows) {
  StartServer();
  ImportModel();
  const auto ids = Ids(300);
  v1::FetchRequest request = RequestFor(ids);
  request.set_bulk(true);
  grpc::Status status;
  EXPECT_EQ(CountWrongRows(ids, Ask(request, &status).rows()), 0);
  EXPECT_TRUE(status.ok()) << status.error_message();
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
  if (GetParam() == Way::kShared) {
    return;  // there are none: what limits a fetch are its rows
  }
  StartServer([](ServerOptions* options) { options->max_request_bytes = 64 << 10; });
  ImportModel();
  EXPECT_LT(OpenTable(kTable).max_fetch_rows() * 4, 64 << 10);
  grpc::Status status;
  Ask(RequestFor(Ids(4096)), &status);
  EXPECT_THAT(status, IsStatus(StatusCode::RESOURCE_EXHAUSTED, std::to_string(64 << 10)));
  ExpectServing();
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
  grpc::Status unary;
  Fetch(RequestFor(std::vector<uint32_t>(8, last)), &unary);
  EXPECT_EQ(status.error_message(), unary.error_message());
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

}  // namespace
}  // namespace engram::server
