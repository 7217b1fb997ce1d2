// A daemon's beginning and end.
#include "server/server.h"

#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <grpcpp/generic/generic_stub.h>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/server/server_testing.h"

namespace engram::server {
namespace {

using grpc::StatusCode;
using testing::AnyOf;
using testing::HasSubstr;

TEST_F(ServerTest, TheSocketIsForOwnerAndGroupAlone) {
  StartServer();
  struct stat info = {};
  ASSERT_EQ(stat(socket_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0660);
  server_.reset();
  EXPECT_FALSE(std::filesystem::exists(socket_));
}

TEST_F(ServerTest, ServesTcpBesideTheSocket) {
  StartServer([](ServerOptions* options) { options->tcp_address = "127.0.0.1:0"; });
  ImportModel();
  ASSERT_GT(server_->tcp_port(), 0);
  const auto channel = grpc::CreateChannel(absl::StrCat("127.0.0.1:", server_->tcp_port()),
                                           grpc::InsecureChannelCredentials());
  const v1::FetchRequest request = RequestFor(Ids(5));
  v1::FetchResponse response;
  grpc::ClientContext context;
  const grpc::Status status = v1::Engram::NewStub(channel)->Fetch(&context, request, &response);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(CountWrongRows(Ids(5), response.rows()), 0);
}

TEST_F(ServerTest, StartsAgainWithTheTablesItHad) {
  StartServer();
  ImportModel();
  const std::string digest = OpenTable(kTable).identity().digest();
  server_.reset();
  StartServer();
  EXPECT_EQ(OpenTable(kTable).identity().digest(), digest);
  grpc::Status status;
  EXPECT_EQ(CountWrongRows(Ids(5), Fetch(RequestFor(Ids(5)), &status).rows()), 0);
}

TEST_F(ServerTest, RefusesToStartWhereAnotherServes) {
  StartServer();
  ServerOptions options;
  options.store.data_dir = dir_ + "/other";
  options.unix_socket = socket_;
  EXPECT_THAT(std::string(Server::Start(options).status().message()), HasSubstr(socket_));
  options.store.data_dir = dir_ + "/data";
  options.unix_socket = socket_ + "2";
  const auto second = Server::Start(options);
  EXPECT_EQ(second.status().code(), absl::StatusCode::kFailedPrecondition) << second.status();
  // The first one is not hurt.
  ImportModel();
}

TEST_F(ServerTest, RefusesOptionsOutOfRange) {
  ServerOptions good;
  good.store.data_dir = dir_ + "/data";
  good.unix_socket = socket_;
  const auto refusal = [&](const std::function<void(ServerOptions*)>& change) {
    ServerOptions options = good;
    change(&options);
    const auto server = Server::Start(options);
    EXPECT_EQ(server.status().code(), absl::StatusCode::kInvalidArgument);
    return std::string(server.status().message());
  };
  EXPECT_THAT(refusal([](ServerOptions* o) { o->max_answer_bytes = 1; }),
              HasSubstr("max_answer_bytes is 1"));
  EXPECT_THAT(refusal([](ServerOptions* o) { o->max_request_bytes = uint64_t{3} << 30; }),
              HasSubstr("max_request_bytes"));
  EXPECT_THAT(refusal([](ServerOptions* o) { o->max_in_flight_bytes = 1 << 20; }),
              HasSubstr("max_in_flight_bytes"));
  EXPECT_THAT(refusal([](ServerOptions* o) { o->max_stream_fetches = 0; }),
              HasSubstr("max_stream_fetches"));
  EXPECT_THAT(refusal([](ServerOptions* o) { o->unix_socket = ""; }), HasSubstr("neither"));
  EXPECT_THAT(refusal([](ServerOptions* o) { o->tcp_address = "0.0.0.0:1"; }),
              HasSubstr("loopback"));
  EXPECT_THAT(refusal([](ServerOptions* o) { o->store.io_threads = 0; }), HasSubstr("io_threads"));
  EXPECT_FALSE(std::filesystem::exists(dir_ + "/data/db"));
}

// Fetches from many threads while the daemon stops: each is answered with its rows, or refused;
// none is lost and none gets wrong bytes. A call that meets the very end of the daemon is reset by
// gRPC.
TEST_F(ServerTest, StoppingAnswersWhatIsUnderWay) {
  StartServer();
  ImportModel();
  const v1::FetchRequest request = RequestFor(Ids(50));
  std::atomic<int> good = 0;
  std::vector<std::thread> callers;
  for (int i = 0; i < 8; ++i) {
    callers.emplace_back([&] {
      grpc::Status status;
      while (true) {
        const v1::FetchResponse response = Fetch(request, &status);
        if (!status.ok()) {
          EXPECT_THAT(status.error_code(), AnyOf(StatusCode::UNAVAILABLE, StatusCode::CANCELLED))
              << status.error_message();
          return;
        }
        EXPECT_EQ(CountWrongRows(Ids(50), response.rows()), 0);
        ++good;
      }
    });
  }
  while (good < 100) {
    std::this_thread::yield();
  }
  server_->Stop(absl::Seconds(60));
  for (std::thread& caller : callers) {
    caller.join();
  }
}

// Calls a method of a standard service, whose generated code is not there. Returns the answer's
// bytes, or "error <code>".
std::string CallRaw(const std::shared_ptr<grpc::Channel>& channel, const std::string& method,
                    const std::string& message) {
  grpc::GenericStub stub(channel);
  grpc::ClientContext context;
  const grpc::Slice slice(message);
  const grpc::ByteBuffer request(&slice, 1);
  grpc::ByteBuffer response;
  std::promise<grpc::Status> done;
  stub.UnaryCall(&context, method, grpc::StubOptions(), &request, &response,
                 [&](grpc::Status status) { done.set_value(std::move(status)); });
  const grpc::Status status = done.get_future().get();
  grpc::Slice answer;
  EXPECT_TRUE(!status.ok() || response.TrySingleSlice(&answer).ok());
  return status.ok() ? std::string(reinterpret_cast<const char*>(answer.begin()), answer.size())
                     : absl::StrCat("error ", status.error_code());
}

TEST_F(ServerTest, ReportsItsHealth) {
  StartServer();
  const auto check = [this](const std::string& service) {
    return CallRaw(channel_, "/grpc.health.v1.Health/Check",
                   absl::StrCat("\n", std::string(1, static_cast<char>(service.size())), service));
  };
  // The answer's field 1 is 1: SERVING.
  const std::string serving = "\x08\x01";
  EXPECT_EQ(check(""), serving);
  EXPECT_EQ(check("engram.v1.Engram"), serving);
  EXPECT_EQ(check("engram.v1.EngramAdmin"), serving);
  EXPECT_EQ(check("no.Such"), absl::StrCat("error ", StatusCode::NOT_FOUND));
}

TEST_F(ServerTest, ReflectsIfAskedTo) {
  const std::string method = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo";
  const std::string list_services = "\x3a\x01*";
  StartServer();
  EXPECT_EQ(CallRaw(channel_, method, list_services),
            absl::StrCat("error ", StatusCode::UNIMPLEMENTED));
  server_.reset();
  StartServer([](ServerOptions* options) { options->reflection = true; });
  EXPECT_THAT(CallRaw(channel_, method, list_services), HasSubstr("engram.v1.EngramAdmin"));
}

}  // namespace
}  // namespace engram::server
