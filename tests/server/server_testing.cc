#include "tests/server/server_testing.h"

#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <random>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/checkpoint/self_describing.h"

namespace engram::server {
namespace {

// 24 heads of about 200 rows each, a layer.
constexpr uint32_t kVocabSize = 200;

std::string NewSocketPath() {
  static int count = 0;
  return absl::StrCat("/tmp/engramd-test-", getpid(), "-", ++count);
}

}  // namespace

std::string TestDir(const std::string& name) {
  const testing::TestInfo* test = testing::UnitTest::GetInstance()->current_test_info();
  std::string unique = absl::StrCat(test->test_suite_name(), "-", test->name(), "-", name);
  std::replace(unique.begin(), unique.end(), '/', '-');
  const std::string dir = absl::StrCat(testing::TempDir(), "/", unique);
  std::filesystem::remove_all(dir);
  std::filesystem::create_directories(dir);
  return dir;
}

ServerTest::ServerTest() : dir_(TestDir("server")), socket_(NewSocketPath()) {
  auto made = MakeCheckpoint({.directory = dir_ + "/checkpoint", .vocab_size = kVocabSize});
  EXPECT_TRUE(made.ok()) << made.status();
  checkpoint_ = *std::move(made);
}

ServerTest::~ServerTest() {
  server_.reset();
  std::filesystem::remove(socket_);
  std::filesystem::remove_all(dir_);
}

void ServerTest::StartServer(const std::function<void(ServerOptions*)>& change) {
  ServerOptions options;
  options.store.data_dir = dir_ + "/data";
  options.store.ram_budget_bytes = 1 << 20;
  options.unix_socket = socket_;
  if (change) {
    change(&options);
  }
  auto server = Server::Start(options);
  ASSERT_TRUE(server.ok()) << server.status();
  server_ = *std::move(server);
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(-1);
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  // The connection's windows stay small, so that a large answer waits for its reader.
  arguments.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  channel_ =
      grpc::CreateCustomChannel("unix:" + socket_, grpc::InsecureChannelCredentials(), arguments);
  engram_ = v1::Engram::NewStub(channel_);
  admin_ = v1::EngramAdmin::NewStub(channel_);
}

void ServerTest::ImportModel() {
  v1::ImportRequest request;
  request.set_path(dir_ + "/checkpoint");
  request.set_name(kModel);
  grpc::ClientContext context;
  const auto reader = admin_->Import(&context, request);
  v1::ImportProgress progress;
  while (reader->Read(&progress)) {
  }
  const grpc::Status status = reader->Finish();
  ASSERT_TRUE(status.ok()) << status.error_message();
}

v1::OpenTableResponse ServerTest::OpenTable(const std::string& name) {
  v1::OpenTableRequest request;
  request.set_name(name);
  v1::OpenTableResponse response;
  grpc::ClientContext context;
  const grpc::Status status = engram_->OpenTable(&context, request, &response);
  EXPECT_TRUE(status.ok()) << status.error_message();
  return response;
}

v1::FetchResponse ServerTest::Fetch(const v1::FetchRequest& request, grpc::Status* status,
                                    std::function<void(grpc::ClientContext*)> prepare) {
  grpc::ClientContext context;
  if (prepare) {
    prepare(&context);
  }
  v1::FetchResponse response;
  *status = engram_->Fetch(&context, request, &response);
  return response;
}

v1::TableStats ServerTest::StatsOfTable() {
  v1::GetStatsRequest request;
  request.set_name(kTable);
  v1::GetStatsResponse stats;
  grpc::ClientContext context;
  EXPECT_TRUE(admin_->GetStats(&context, request, &stats).ok());
  return stats.tables(0);
}

v1::FetchRequest ServerTest::RequestFor(const std::vector<uint32_t>& ids) {
  v1::FetchRequest request;
  *request.mutable_table() = OpenTable(kTable).identity();
  request.mutable_row_ids()->Assign(ids.begin(), ids.end());
  return request;
}

size_t ServerTest::CountWrongRows(const std::vector<uint32_t>& ids, const std::string& rows) const {
  const CheckpointTable& table = checkpoint_.tables.front();
  if (rows.size() != ids.size() * table.row_bytes) {
    return ids.size();
  }
  size_t wrong = 0;
  for (size_t i = 0; i < ids.size(); ++i) {
    std::vector<std::byte> expected(table.row_bytes);
    FillSelfDescribingRow(table.key, ids[i], absl::MakeSpan(expected));
    wrong += std::memcmp(expected.data(), rows.data() + i * table.row_bytes, table.row_bytes) != 0;
  }
  return wrong;
}

std::vector<uint32_t> ServerTest::Ids(size_t groups, uint32_t seed) const {
  const uint64_t rows = checkpoint_.tables.front().rows;
  std::vector<uint32_t> ids(groups * 8);
  std::mt19937 random(seed);
  std::generate(ids.begin(), ids.end(), [&] { return static_cast<uint32_t>(random() % rows); });
  return ids;
}

}  // namespace engram::server
