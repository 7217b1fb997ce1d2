// Daemons for the client's tests: real ones, and one that does what the test tells it.
#ifndef ENGRAM_TESTS_CLIENT_CLIENT_TESTING_H_
#define ENGRAM_TESTS_CLIENT_CLIENT_TESTING_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <grpcpp/grpcpp.h>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "client/checkpoint/checkpoint_writer.h"
#include "client/engram_client.h"
#include "engram/v1/engram.grpc.pb.h"
#include "gtest/gtest.h"
#include "server/server.h"

namespace engram {

// How a client gets at a daemon; kUnix and kShared are the same to the daemon.
enum class Transport { kUnix, kTcp, kShared };

// A path for the running test, below the test's temporary directory and short enough for a socket.
std::string TestPath(const std::string& name);

// A real daemon in this process, with table "t/layer1" (rows of 264 bytes in groups of 8) made of
// self-describing rows. Fails the running test where something does not work.
class Daemon {
 public:
  explicit Daemon(Transport transport, uint32_t seed = 1,
                  const server::ServerOptions& options = {});
  ~Daemon();

  const std::string& address() const { return address_; }
  SelfDescribingKey key() const { return {.layer = 1, .seed = seed_}; }

  void Stop() { server_.reset(); }
  // Starts it again, at the same address; with a seed other than the first, as one that has other
  // rows under the same name and version.
  void Start() { Start(seed_); }
  void Start(uint32_t seed);

  // Drops the whole table.
  void Drop();

 private:
  const Transport transport_;
  server::ServerOptions options_;
  uint32_t seed_;
  std::string address_;
  std::unique_ptr<server::Server> server_;
};

// Options with short waits, and shared memory only where the transport says so.
ClientOptions TestClientOptions(const std::string& address, Transport transport = Transport::kUnix);

// Both fail the running test on an error.
std::unique_ptr<Client> MustConnect(const std::string& address,
                                    Transport transport = Transport::kUnix);
std::unique_ptr<Table> MustOpen(Client& client, const std::string& name = "t/layer1");

// The row ids of `groups` random groups of the table.
std::vector<uint32_t> RandomIds(const Table& table, size_t groups, uint32_t seed);

// A fetch's output, filled with 0xEE.
std::vector<std::byte> MakeOutput(const Table& table, const std::vector<uint32_t>& row_ids);

// Answers OpenTable for any name with `opened`, Fetch as its script says, and FetchStream, unless
// it is told how, with UNIMPLEMENTED.
class FakeDaemon final
    : public v1::Engram::WithRawCallbackMethod_FetchStream<v1::Engram::WithRawCallbackMethod_Fetch<
          v1::Engram::WithCallbackMethod_OpenTable<v1::Engram::Service>>> {
 public:
  struct Answer {
    grpc::Status status = {};
    std::string message = {};  // the serialised FetchResponse
    bool hold = false;         // do not answer until the caller cancels
  };
  // Called by gRPC's threads; `attempt` counts all fetches from 1.
  using Script = std::function<Answer(const v1::FetchRequest& request, int attempt)>;

  // What serves one FetchStream rpc; it deletes itself.
  using StreamReactor = grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>;
  using OpenStream = std::function<StreamReactor*()>;

  // Listens on a Unix socket, or on any TCP port.
  FakeDaemon(Transport transport, Script script, OpenStream open_stream = nullptr);
  ~FakeDaemon() override;

  const std::string& address() const { return address_; }
  // What OpenTable answers but for the name; a table of 100 rows of 4 bytes in groups of 2. Not to
  // be changed while calls are made.
  v1::OpenTableResponse& opened() { return opened_; }

  int fetches() const;
  // The callers' addresses, one for each fetch.
  std::vector<std::string> peers() const;
  // Wait until so many fetches were received, or held and then cancelled.
  void AwaitFetches(int count) const;
  void AwaitCancelled(int count) const;

  grpc::ServerUnaryReactor* OpenTable(grpc::CallbackServerContext* context,
                                      const v1::OpenTableRequest* request,
                                      v1::OpenTableResponse* response) override;
  grpc::ServerUnaryReactor* Fetch(grpc::CallbackServerContext* context,
                                  const grpc::ByteBuffer* request,
                                  grpc::ByteBuffer* response) override;
  StreamReactor* FetchStream(grpc::CallbackServerContext* context) override;

 private:
  class HeldCall;
  class NoStream;

  const Script script_;
  const OpenStream open_stream_;
  v1::OpenTableResponse opened_;
  std::string address_;
  mutable absl::Mutex mutex_;
  std::vector<std::string> peers_ ABSL_GUARDED_BY(mutex_);
  int cancelled_ ABSL_GUARDED_BY(mutex_) = 0;
  std::unique_ptr<grpc::Server> server_;
};

// The answer that fits the fake daemon's table: each row is its id in four bytes.
v1::FetchResponse RightAnswer(const v1::FetchRequest& request);

std::string TransportName(const testing::TestParamInfo<Transport>& param);

}  // namespace engram

#endif  // ENGRAM_TESTS_CLIENT_CLIENT_TESTING_H_
