// The FetchStream rpcs of a fake daemon, which do what the test tells them.
#ifndef ENGRAM_TESTS_CLIENT_FAKE_STREAMS_TESTING_H_
#define ENGRAM_TESTS_CLIENT_FAKE_STREAMS_TESTING_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <grpcpp/grpcpp.h>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "client/engram_client.h"
#include "engram/v1/engram.pb.h"
#include "tests/client/client_testing.h"

namespace engram {

// Thread-safe. Must outlive the daemon that opens streams of it.
class FakeStreams {
 public:
  // What is done at once about a request; by default it is held, until the test answers it.
  struct Reply {
    std::vector<std::string> answers = {};  // messages as they are, whatever they say
    std::optional<grpc::Status> end = {};   // ends the stream after the answers
    bool read_on = true;                    // false: nothing more is read from the stream
  };
  // Called by gRPC's threads.
  using Script = std::function<Reply(const v1::FetchRequest& request)>;

  explicit FakeStreams(Script script) : script_(std::move(script)) {}

  FakeDaemon::StreamReactor* Open();

  // Streams opened so far.
  int opened() const;
  // Requests of all streams, but for those that cancel others.
  size_t received() const;
  // Waits until so many requests were received, and returns all in the order of their arrival.
  std::vector<v1::FetchRequest> AwaitRequests(size_t count) const;
  // Waits until so many fetches were cancelled, and returns the requests that did it.
  std::vector<v1::FetchRequest> AwaitCancels(size_t count) const;
  // Waits until so many streams are over, whoever ended them.
  void AwaitEnded(int count) const;

  // All these are about the stream that request `i`, from 0, came by, and do nothing if it is over.
  void Send(size_t i, std::string message);
  void SendRightAnswer(size_t i);
  void End(size_t i, const grpc::Status& status);

 private:
  class Stream;

  struct Received {
    v1::FetchRequest request;
    int stream = 0;
  };

  Stream* Find(size_t i) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const Script script_;
  mutable absl::Mutex mutex_;  // also of the streams' own state
  std::vector<Received> received_ ABSL_GUARDED_BY(mutex_);
  std::vector<v1::FetchRequest> cancels_ ABSL_GUARDED_BY(mutex_);
  std::map<int, Stream*> open_ ABSL_GUARDED_BY(mutex_);
  int opened_ ABSL_GUARDED_BY(mutex_) = 0;
};

// The answer that fits, as a message: its ticket before or after its rows.
enum class TicketPlace { kFirst, kLast };
std::string RightMessage(const v1::FetchRequest& request, TicketPlace place = TicketPlace::kFirst);
std::string ErrorMessage(const v1::FetchRequest& request, int code, const std::string& what);

// Scripts. The second sends right answers at once.
FakeStreams::Reply Hold(const v1::FetchRequest& request);
FakeStreams::Reply AnswerAtOnce(const v1::FetchRequest& request);

// A client of a fake daemon that has streams, and gives right answers to unary fetches.
struct StreamRig {
  explicit StreamRig(FakeStreams::Script script, uint32_t max_stream_fetches = 64,
                     absl::Duration backoff = absl::Milliseconds(10));

  // Fetches that did not go by a stream.
  int unary_fetches() const { return daemon.fetches(); }

  FakeStreams streams;
  FakeDaemon daemon;
  std::unique_ptr<Client> client;
  std::unique_ptr<Table> table;
};

// One fetch of four rows and its memory.
class SmallFetch {
 public:
  // seed: which rows
  explicit SmallFetch(Table& table, uint32_t seed = 0, const FetchOptions& options = {});

  Ticket& ticket() { return *ticket_; }
  // Lets go of the ticket.
  void Release() { ticket_.reset(); }

  // Waits, and checks the rows where the fetch says that they are there.
  absl::Status Wait();
  // Whether no row was written.
  bool untouched() const;

 private:
  const std::vector<uint32_t> ids_;
  std::vector<uint32_t> rows_;
  std::optional<Ticket> ticket_;
};

}  // namespace engram

#endif  // ENGRAM_TESTS_CLIENT_FAKE_STREAMS_TESTING_H_
