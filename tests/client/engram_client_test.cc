// Connecting and opening.
#include "client/engram_client.h"

#include <functional>
#include <optional>
#include <thread>

#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "tests/client/client_testing.h"

namespace engram {
namespace {

using testing::AllOf;
using testing::HasSubstr;

TEST(Connect, RefusesOptionsOutOfRange) {
  using Change = std::function<void(ClientOptions*)>;
  const std::pair<const char*, Change> cases[] = {
      {"\"\"", [](auto* o) { o->address = ""; }},
      {"\"unix:\"", [](auto* o) { o->address = "unix:"; }},
      {"1 to 107 bytes", [](auto* o) { o->address = "unix:/" + std::string(107, 'x'); }},
      {"\"localhost\"", [](auto* o) { o->address = "localhost"; }},
      {"\":80\"", [](auto* o) { o->address = ":80"; }},
      {"\"localhost:0\"", [](auto* o) { o->address = "localhost:0"; }},
      {"\"localhost:65536\"", [](auto* o) { o->address = "localhost:65536"; }},
      {"\"localhost:http\"", [](auto* o) { o->address = "localhost:http"; }},
      {"connect_timeout", [](auto* o) { o->connect_timeout = absl::ZeroDuration(); }},
      {"min_backoff", [](auto* o) { o->min_backoff = absl::ZeroDuration(); }},
      {"max_backoff", [](auto* o) { o->max_backoff = o->min_backoff / 2; }},
      {"max_backoff", [](auto* o) { o->max_backoff = absl::InfiniteDuration(); }},
      {"connections", [](auto* o) { o->connections = 0; }},
      {"connections", [](auto* o) { o->connections = 65; }},
  };
  for (const auto& [offence, change] : cases) {
    ClientOptions options;
    change(&options);
    const absl::Status status = Client::Connect(options).status();
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << offence << ": " << status;
    EXPECT_THAT(status.message(), HasSubstr(offence));
  }
}

TEST(Connect, NobodyThere) {
  for (const std::string& address : {"unix:" + TestPath("none"), std::string("127.0.0.1:1")}) {
    ClientOptions options = TestClientOptions(address);
    options.connect_timeout = absl::Milliseconds(300);
    const absl::Status status = Client::Connect(options).status();
    EXPECT_TRUE(absl::IsUnavailable(status)) << status;
    EXPECT_THAT(status.message(),
                AllOf(HasSubstr("no engramd answers at " + address), HasSubstr("last: ")));
  }
}

TEST(Connect, SomebodyElseThere) {
  const std::string address = "unix:" + TestPath("other");
  grpc::ServerBuilder builder;
  v1::Engram::CallbackService unimplemented;
  builder.RegisterService(&unimplemented);
  builder.AddListeningPort(address, grpc::InsecureServerCredentials());
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  const absl::Status status = Client::Connect(TestClientOptions(address)).status();
  EXPECT_TRUE(absl::IsInternal(status)) << status;
  EXPECT_THAT(status.message(), AllOf(HasSubstr(address), HasSubstr("is no engramd")));
}

TEST(Connect, WaitsForTheDaemon) {
  const std::string address = "unix:" + TestPath("sock");
  std::optional<Daemon> daemon;
  std::thread start([&] {
    absl::SleepFor(absl::Milliseconds(200));
    daemon.emplace(Transport::kUnix);
  });
  const auto client = MustConnect(address);
  start.join();
  ASSERT_NE(client, nullptr);
  EXPECT_EQ(daemon->address(), address);
  EXPECT_NE(MustOpen(*client), nullptr);
}

TEST(OpenTable, AnswersThatDoNotFit) {
  using Change = std::function<void(v1::OpenTableResponse*)>;
  const std::pair<const char*, Change> cases[] = {
      {"no identity", [](auto* r) { r->clear_identity(); }},
      {"another table", [](auto* r) { r->mutable_identity()->set_name("other"); }},
      {"no version", [](auto* r) { r->mutable_identity()->clear_version(); }},
      {"another version", [](auto* r) { r->mutable_identity()->set_version(4); }},
      {"no digest", [](auto* r) { r->mutable_identity()->clear_digest(); }},
      {"half a digest", [](auto* r) { r->mutable_identity()->set_digest("01234567"); }},
      {"no spec", [](auto* r) { r->clear_spec(); }},
      {"no rows", [](auto* r) { r->mutable_spec()->clear_rows(); }},
      {"no row bytes", [](auto* r) { r->mutable_spec()->clear_row_bytes(); }},
      {"no groups", [](auto* r) { r->mutable_spec()->clear_group_size(); }},
      {"no limit", [](auto* r) { r->set_max_fetch_rows(uint64_t{1} << 40); }},
  };
  for (const auto& [what, change] : cases) {
    FakeDaemon daemon(Transport::kUnix,
                      [](const v1::FetchRequest&, int) { return FakeDaemon::Answer(); });
    change(&daemon.opened());
    const auto client = MustConnect(daemon.address());
    const absl::Status status = client->OpenTable("any", 3).status();
    EXPECT_TRUE(absl::IsInternal(status)) << what << ": " << status;
    EXPECT_THAT(status.message(), HasSubstr("\"any\""));
  }
}

TEST(OpenTable, DaemonGone) {
  auto daemon = std::make_unique<Daemon>(Transport::kUnix);
  ClientOptions options = TestClientOptions(daemon->address());
  options.connect_timeout = absl::Seconds(1);
  const auto client = Client::Connect(options);
  ASSERT_TRUE(client.ok()) << client.status();
  daemon.reset();
  const absl::Status status = (*client)->OpenTable("t/layer1").status();
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
  EXPECT_THAT(status.message(), HasSubstr(options.address));
}

}  // namespace
}  // namespace engram
