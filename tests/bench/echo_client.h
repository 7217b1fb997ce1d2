// The client of ServeEcho.
#ifndef ENGRAM_TESTS_BENCH_ECHO_CLIENT_H_
#define ENGRAM_TESTS_BENCH_ECHO_CLIENT_H_

#include <cstddef>
#include <memory>
#include <string>

#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"

namespace engram::bench {

// One stream over a Unix socket, driven by the calling thread alone. Not thread-safe.
class EchoClient {
 public:
  // Waits up to `timeout` for the server.
  //   UNAVAILABLE
  static absl::StatusOr<std::unique_ptr<EchoClient>> Connect(const std::string& socket,
                                                             absl::Duration timeout);
  ~EchoClient();

  // Sends a message and copies the answer to `answer`, which must be of its size.
  //   UNAVAILABLE  the stream broke
  //   INTERNAL     an answer of another size
  absl::Status Exchange(const grpc::ByteBuffer& request, absl::Span<std::byte> answer);

 private:
  explicit EchoClient(const std::shared_ptr<grpc::Channel>& channel) : stub_(channel) {}
  // Waits for `count` operations; returns whether all of them succeeded.
  bool Await(int count);

  grpc::GenericStub stub_;
  grpc::ClientContext context_;
  grpc::CompletionQueue queue_;
  std::unique_ptr<grpc::GenericClientAsyncReaderWriter> stream_;
};

}  // namespace engram::bench

#endif  // ENGRAM_TESTS_BENCH_ECHO_CLIENT_H_
