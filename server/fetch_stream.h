// Streams of fetches: many requests over one open call, answered as they complete.
#ifndef ENGRAM_SERVER_FETCH_STREAM_H_
#define ENGRAM_SERVER_FETCH_STREAM_H_

#include <cstdint>
#include <set>

#include <grpcpp/grpcpp.h>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "server/fetch_handler.h"

namespace engram::server {

// All open streams. Thread-safe; must outlive them.
class FetchStreams {
 public:
  using Reactor = grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>;

  FetchStreams(FetchHandler* handler, uint32_t max_fetches)
      : handler_(handler), max_fetches_(max_fetches) {}

  // A stream for a new call. It reads no further request while max_fetches answers are owed, so
  // that a slow reader holds no more than that.
  Reactor* Open();

  // Ends every stream with UNAVAILABLE once it has answered what it has read; likewise streams
  // opened later.
  void BeginDrain();

  uint32_t max_fetches() const { return max_fetches_; }

 private:
  class Stream;

  void Remove(Stream* stream);

  FetchHandler* const handler_;
  const uint32_t max_fetches_;
  absl::Mutex mutex_;
  std::set<Stream*> streams_ ABSL_GUARDED_BY(mutex_);
  bool draining_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace engram::server

#endif  // ENGRAM_SERVER_FETCH_STREAM_H_
