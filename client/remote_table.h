// A table of the daemon, and the ways by which its rows are fetched.
#ifndef ENGRAM_CLIENT_REMOTE_TABLE_H_
#define ENGRAM_CLIENT_REMOTE_TABLE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"
#include "client/callback_thread.h"
#include "client/channel_set.h"
#include "client/engram_client.h"
#include "client/fetch_call.h"
#include "client/fetch_stream.h"
#include "client/shm/shared_memory.h"
#include "engram/v1/engram.pb.h"
#include "proto/shared_memory.h"

namespace engram {

class RemoteTable final : public Table {
 public:
  RemoteTable(std::shared_ptr<ChannelSet> channels, std::shared_ptr<FetchStreams> streams,
              std::shared_ptr<SharedMemory> memory, std::shared_ptr<CallbackThread> callbacks,
              const v1::OpenTableResponse& opened);

  const std::string& name() const override { return fetcher_->identity.name(); }
  uint64_t version() const override { return fetcher_->identity.version(); }
  const std::string& digest() const override { return fetcher_->identity.digest(); }
  const TableSpec& spec() const override { return spec_; }
  uint64_t max_fetch_rows() const override { return max_fetch_rows_; }

  Ticket Submit(absl::Span<const uint32_t> row_ids, absl::Span<std::byte> rows,
                const FetchOptions& options) override;
  absl::Status Prefetch(absl::Span<const uint32_t> row_ids) override ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  // Fetches by gRPC. Shared with the fetches under way, which may outlive the table and come back
  // to it.
  struct GrpcFetcher : std::enable_shared_from_this<GrpcFetcher> {
    std::shared_ptr<ChannelSet> channels;
    std::shared_ptr<FetchStreams> streams;
    v1::TableIdentity identity;
    std::array<std::string, 2> heads;  // of requests without and with report_tiers
    std::string prefetch_head;
    uint32_t max_stream_fetches = 0;

    // By a stream, or by a call of its own where none takes it just now.
    std::shared_ptr<FetchCall> Start(absl::Span<const uint32_t> row_ids, absl::Span<std::byte> rows,
                                     const FetchOptions& options) const;
    std::shared_ptr<FetchCall> StartUnary(absl::Span<const uint32_t> row_ids,
                                          absl::Span<std::byte> rows,
                                          const FetchOptions& options) const;
    // By a stream; null if none takes it just now.
    std::shared_ptr<FetchCall> StartPrefetch(absl::Span<const uint32_t> row_ids) const;
  };

  // Null if no transport takes it just now.
  std::shared_ptr<FetchCall> StartPrefetch(absl::Span<const uint32_t> row_ids) const;
  // By shared memory, or by gRPC where that cannot be.
  std::shared_ptr<FetchCall> Start(absl::Span<const uint32_t> row_ids, absl::Span<std::byte> rows,
                                   const FetchOptions& options);

  const std::shared_ptr<SharedMemory> memory_;
  const std::shared_ptr<CallbackThread> callbacks_;
  const TableSpec spec_;
  const uint64_t max_fetch_rows_;
  std::shared_ptr<const GrpcFetcher> fetcher_;
  shm::Call call_ = {};  // of fetches by shared memory: the identity
  absl::Mutex mutex_;
  std::deque<Ticket> hints_ ABSL_GUARDED_BY(mutex_);  // not yet answered, oldest first
};

}  // namespace engram

#endif  // ENGRAM_CLIENT_REMOTE_TABLE_H_
