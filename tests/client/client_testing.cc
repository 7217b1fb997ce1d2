#include "tests/client/client_testing.h"

#include <filesystem>
#include <random>
#include <utility>

#include <grpcpp/support/proto_buffer_reader.h>

#include "absl/strings/str_cat.h"
#include "engram/v1/engram_admin.grpc.pb.h"
#include "storage/tiered_store.h"

namespace engram {
namespace {

constexpr uint32_t kVocabSize = 200;  // about 24 x 200 rows

// Makes a store that holds "t/layer1" in `data_dir`.
void MakeStore(const std::string& data_dir, uint32_t seed) {
  const std::string checkpoint = TestPath(absl::StrCat("ckpt", seed));
  const auto made = MakeCheckpoint(
      {.directory = checkpoint, .vocab_size = kVocabSize, .token_vocab_size = 1000, .seed = seed});
  ASSERT_TRUE(made.ok()) << made.status();
  auto store = storage::TieredStore::Open({.data_dir = data_dir});
  ASSERT_TRUE(store.ok()) << store.status();
  storage::ImportOptions import;
  import.path = checkpoint;
  import.name = "t";
  import.layer = 1;
  const auto imported = (*store)->Import(import, [](const auto&) { return true; });
  ASSERT_TRUE(imported.ok()) << imported.status();
  std::filesystem::remove_all(checkpoint);
}

}  // namespace

std::string TestPath(const std::string& name) {
  const auto* test = testing::UnitTest::GetInstance()->current_test_info();
  const size_t hash = std::hash<std::string>()(absl::StrCat(test->test_suite_name(), test->name()));
  return absl::StrCat(testing::TempDir(), "/ec", absl::Hex(hash & 0xFFFFFFFF), name);
}

Daemon::Daemon(Transport transport, uint32_t seed, const server::ServerOptions& options)
    : transport_(transport), options_(options), seed_(seed) {
  if (options_.store.ram_budget_bytes == 0) {
    options_.store.ram_budget_bytes = 1 << 20;
  }
  if (transport != Transport::kTcp) {
    options_.unix_socket = TestPath("sock");
  } else {
    options_.tcp_address = "127.0.0.1:0";
  }
  Start();
}

Daemon::~Daemon() {
  Stop();
  for (const uint32_t seed : {1, 2}) {
    std::filesystem::remove_all(TestPath(absl::StrCat("data", seed)));
  }
  std::filesystem::remove(options_.unix_socket);
}

void Daemon::Start(uint32_t seed) {
  Stop();
  seed_ = seed;
  options_.store.data_dir = TestPath(absl::StrCat("data", seed));
  if (!std::filesystem::exists(options_.store.data_dir)) {
    MakeStore(options_.store.data_dir, seed);
  }
  auto server = server::Server::Start(options_);
  ASSERT_TRUE(server.ok()) << server.status();
  server_ = *std::move(server);
  if (transport_ == Transport::kTcp) {
    options_.tcp_address = absl::StrCat("127.0.0.1:", server_->tcp_port());
  }
  address_ = transport_ == Transport::kTcp ? options_.tcp_address
                                           : absl::StrCat("unix:", options_.unix_socket);
}

void Daemon::Drop() {
  const auto stub =
      v1::EngramAdmin::NewStub(grpc::CreateChannel(address_, grpc::InsecureChannelCredentials()));
  grpc::ClientContext context;
  v1::DropRequest request;
  request.set_name("t/layer1");
  v1::DropResponse response;
  const grpc::Status status = stub->Drop(&context, request, &response);
  ASSERT_TRUE(status.ok()) << status.error_message();
}

ClientOptions TestClientOptions(const std::string& address, Transport transport) {
  return {.address = address,
          .connect_timeout = absl::Seconds(20),
          .min_backoff = absl::Milliseconds(10),
          .max_backoff = absl::Milliseconds(100),
          .shared_memory_bytes = transport == Transport::kShared ? uint64_t{16} << 20 : 0};
}

std::unique_ptr<Client> MustConnect(const std::string& address, Transport transport) {
  auto client = Client::Connect(TestClientOptions(address, transport));
  EXPECT_TRUE(client.ok()) << client.status();
  if (client.ok() && transport == Transport::kShared) {
    EXPECT_EQ((*client)->shared_memory(), absl::OkStatus());
  }
  return client.ok() ? *std::move(client) : nullptr;
}

std::unique_ptr<Table> MustOpen(Client& client, const std::string& name) {
  auto table = client.OpenTable(name);
  EXPECT_TRUE(table.ok()) << table.status();
  return table.ok() ? *std::move(table) : nullptr;
}

std::vector<uint32_t> RandomIds(const Table& table, size_t groups, uint32_t seed) {
  std::mt19937 random(seed);
  std::uniform_int_distribution<uint32_t> any(0, static_cast<uint32_t>(table.spec().rows - 1));
  std::vector<uint32_t> ids(groups * table.spec().group_size);
  for (uint32_t& id : ids) {
    id = any(random);
  }
  return ids;
}

std::vector<std::byte> MakeOutput(const Table& table, const std::vector<uint32_t>& row_ids) {
  return std::vector<std::byte>(row_ids.size() * table.spec().row_bytes, std::byte{0xEE});
}

class FakeDaemon::HeldCall final : public grpc::ServerUnaryReactor {
 public:
  explicit HeldCall(FakeDaemon* daemon) : daemon_(daemon) {}

  void OnCancel() override {
    {
      absl::MutexLock lock(&daemon_->mutex_);
      ++daemon_->cancelled_;
    }
    Finish(grpc::Status::CANCELLED);
  }
  void OnDone() override { delete this; }

 private:
  FakeDaemon* const daemon_;
};

class FakeDaemon::NoStream final : public StreamReactor {
 public:
  NoStream() { Finish(grpc::Status(grpc::StatusCode::UNIMPLEMENTED, "no streams here")); }
  void OnDone() override { delete this; }
};

FakeDaemon::FakeDaemon(Transport transport, Script script, OpenStream open_stream)
    : script_(std::move(script)), open_stream_(std::move(open_stream)) {
  v1::TableIdentity& identity = *opened_.mutable_identity();
  identity.set_version(3);
  identity.set_digest("0123456789abcdef");
  v1::TableSpec& spec = *opened_.mutable_spec();
  spec.set_rows(100);
  spec.set_row_bytes(4);
  spec.set_value_format(v1::VALUE_FORMAT_OPAQUE);
  spec.set_scalar_scale(1);
  spec.set_group_size(2);
  opened_.set_max_fetch_rows(1000);

  int port = 0;
  grpc::ServerBuilder builder;
  const std::string listen =
      transport == Transport::kTcp ? "127.0.0.1:0" : absl::StrCat("unix:", TestPath("fake"));
  builder.AddListeningPort(listen, grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(this);
  server_ = builder.BuildAndStart();
  EXPECT_NE(server_, nullptr);
  address_ = transport == Transport::kTcp ? absl::StrCat("127.0.0.1:", port) : listen;
}

FakeDaemon::~FakeDaemon() {
  server_->Shutdown(std::chrono::system_clock::now());
  server_->Wait();
}

int FakeDaemon::fetches() const { return static_cast<int>(peers().size()); }

std::vector<std::string> FakeDaemon::peers() const {
  absl::MutexLock lock(&mutex_);
  return peers_;
}

void FakeDaemon::AwaitFetches(int count) const {
  const auto enough = [&]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
    return peers_.size() >= static_cast<size_t>(count);
  };
  absl::MutexLock lock(&mutex_, absl::Condition(&enough));
}

void FakeDaemon::AwaitCancelled(int count) const {
  const auto enough = [&]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return cancelled_ >= count; };
  absl::MutexLock lock(&mutex_, absl::Condition(&enough));
}

grpc::ServerUnaryReactor* FakeDaemon::OpenTable(grpc::CallbackServerContext* context,
                                                const v1::OpenTableRequest* request,
                                                v1::OpenTableResponse* response) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  if (request->name().empty()) {
    reactor->Finish(grpc::Status(grpc::StatusCode::NOT_FOUND, "no table named \"\""));
    return reactor;
  }
  *response = opened_;
  if (response->identity().name().empty()) {
    response->mutable_identity()->set_name(request->name());
  }
  reactor->Finish(grpc::Status::OK);
  return reactor;
}

grpc::ServerUnaryReactor* FakeDaemon::Fetch(grpc::CallbackServerContext* context,
                                            const grpc::ByteBuffer* request,
                                            grpc::ByteBuffer* response) {
  grpc::ByteBuffer message(*request);
  grpc::ProtoBufferReader reader(&message);
  v1::FetchRequest parsed;
  EXPECT_TRUE(parsed.ParseFromZeroCopyStream(&reader));
  int attempt = 0;
  {
    absl::MutexLock lock(&mutex_);
    peers_.push_back(context->peer());
    attempt = static_cast<int>(peers_.size());
  }
  const Answer answer = script_(parsed, attempt);
  if (answer.hold) {
    return new HeldCall(this);
  }
  const grpc::Slice slice(answer.message);
  grpc::ByteBuffer buffer(&slice, 1);
  response->Swap(&buffer);
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  reactor->Finish(answer.status);
  return reactor;
}

FakeDaemon::StreamReactor* FakeDaemon::FetchStream(grpc::CallbackServerContext* /*context*/) {
  return open_stream_ != nullptr ? open_stream_() : new NoStream;
}

v1::FetchResponse RightAnswer(const v1::FetchRequest& request) {
  v1::FetchResponse response;
  for (const uint32_t id : request.row_ids()) {
    response.mutable_rows()->append(reinterpret_cast<const char*>(&id), sizeof(id));
  }
  if (request.report_tiers()) {
    response.set_tiers(std::string(static_cast<size_t>(request.row_ids_size()) / 2, '\1'));
  }
  return response;
}

std::string TransportName(const testing::TestParamInfo<Transport>& param) {
  return param.param == Transport::kUnix  ? "Unix"
         : param.param == Transport::kTcp ? "Tcp"
                                          : "SharedMemory";
}

}  // namespace engram
