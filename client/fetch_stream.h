// A FetchStream rpc that is kept open, for fetches that share it.
#ifndef ENGRAM_CLIENT_FETCH_STREAM_H_
#define ENGRAM_CLIENT_FETCH_STREAM_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/support/byte_buffer.h>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "client/channel_set.h"

namespace engram {

// Opens the rpc when it is first needed, and again, after a while, when it was lost. Thread-safe.
// Not to be destroyed by gRPC's threads.
class FetchStream {
 public:
  // Whoever waits for an answer. One of the two is called, once, by a thread of gRPC's; neither
  // if the stream is destroyed before.
  class Receiver {
   public:
    virtual ~Receiver() = default;
    virtual void OnAnswer(grpc::ByteBuffer* answer) = 0;
    // The rpc has ended; the request may have been answered or not.
    virtual void OnLost() = 0;
  };

  // stub: one of those that `channels` owns
  FetchStream(std::shared_ptr<ChannelSet> channels, grpc::GenericStub* stub);
  ~FetchStream();

  // Sends a request; false if there is no rpc just now, or it owes `max_owed` answers already.
  //   encode: makes the request that has this ticket; called at most once, before this returns
  bool Send(std::shared_ptr<Receiver> receiver, size_t max_owed,
            absl::FunctionRef<grpc::ByteBuffer(uint64_t ticket)> encode);

  // Tells the daemon, if the rpc is still there, that the answer to this ticket is not wanted.
  void Cancel(uint64_t ticket);

  // Whether the daemon answers at all; asks it over the same connection.
  bool DaemonAnswers() const;

  const std::string& address() const { return channels_->address(); }

 private:
  class Rpc;

  std::shared_ptr<Rpc> OpenRpc();

  const std::shared_ptr<ChannelSet> channels_;
  grpc::GenericStub* const stub_;
  std::atomic<uint64_t> last_ticket_{0};

  absl::Mutex mutex_;
  std::shared_ptr<Rpc> rpc_ ABSL_GUARDED_BY(mutex_);
  int failures_ ABSL_GUARDED_BY(mutex_) = 0;  // since the last answer
  absl::Time next_try_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
};

// The streams of one client: two on each connection, so that small answers overtake the large ones
// that are yet to be sent. Thread-safe.
class FetchStreams {
 public:
  explicit FetchStreams(const std::shared_ptr<ChannelSet>& channels);

  // The stream for an answer of that size. Connections take turns.
  std::shared_ptr<FetchStream> Next(size_t answer_bytes);

 private:
  struct Pair {
    std::shared_ptr<FetchStream> small;
    std::shared_ptr<FetchStream> large;
  };
  std::vector<Pair> pairs_;
  std::atomic<size_t> turn_{0};
};

}  // namespace engram

#endif  // ENGRAM_CLIENT_FETCH_STREAM_H_
