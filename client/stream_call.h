// One fetch by a stream that is kept open.
#ifndef ENGRAM_CLIENT_STREAM_CALL_H_
#define ENGRAM_CLIENT_STREAM_CALL_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include <grpcpp/support/byte_buffer.h>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "client/engram_client.h"
#include "client/fetch_call.h"
#include "client/fetch_request.h"
#include "client/fetch_stream.h"

namespace engram {

// A fetch whose stream is lost, or that the daemon answers with UNAVAILABLE, is made again by other
// means; whoever waits for it starts that. The daemon is told of one that is cancelled; if it
// answers nevertheless, that goes nowhere.
class StreamCall final : public FetchCall,
                         public FetchStream::Receiver,
                         public std::enable_shared_from_this<StreamCall> {
 public:
  // Starts a fetch that is known to be valid. Null if the stream takes no more just now, or the
  // deadline has passed.
  //   head: the serialised request without its ids, ticket and deadline
  //   max_owed: most fetches that the stream may have under way
  static std::shared_ptr<StreamCall> Start(std::shared_ptr<FetchStream> stream,
                                           absl::string_view head, size_t max_owed,
                                           absl::Span<const uint32_t> row_ids,
                                           absl::Span<std::byte> rows, const FetchOptions& options,
                                           Fallback fallback);

  absl::Status Wait() override;
  bool done() override;
  void Cancel() override;
  void Close() override;
  void SetPoke(std::function<void()> poke) override;
  void CheckDaemon(absl::Time waiting_since) override;

  void OnAnswer(grpc::ByteBuffer* answer) override;
  void OnLost() override;

 private:
  enum class State { kWaiting, kReceiving, kEnded, kLost };

  StreamCall(std::shared_ptr<FetchStream> stream, absl::Span<std::byte> rows,
             const FetchOptions& options, Fallback fallback);

  bool Send(absl::string_view head, size_t max_owed, absl::Span<const uint32_t> row_ids,
            const FetchOptions& options);
  // Waits for a while, and sees to it that this does not happen for ever.
  void AwaitAnswer(absl::Time waiting_since);
  // Ends the fetch if it was not answered yet; then an answer goes nowhere.
  // Returns whether it did.
  bool GiveUp(absl::Status status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool Over() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return state_ == State::kEnded || state_ == State::kLost;
  }
  bool NotReceiving() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return state_ != State::kReceiving;
  }

  const absl::Span<std::byte> rows_;
  const absl::Span<Tier> tiers_;
  const absl::Time give_up_at_;
  // Until Close: the last to hold them, and with them the channels, must be no thread of gRPC's.
  std::shared_ptr<FetchStream> stream_;
  Fallback fallback_;
  uint64_t ticket_ = 0;               // of the stream
  EncodedRequest request_;            // for the fallback
  std::shared_ptr<FetchCall> other_;  // once fallen back

  absl::Mutex mutex_;
  State state_ ABSL_GUARDED_BY(mutex_) = State::kWaiting;
  absl::Status status_ ABSL_GUARDED_BY(mutex_);  // once ended
  std::function<void()> poke_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace engram

#endif  // ENGRAM_CLIENT_STREAM_CALL_H_
