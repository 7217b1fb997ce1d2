// The clients that share memory with the daemon.
#ifndef ENGRAM_SERVER_SHM_ATTACHMENTS_H_
#define ENGRAM_SERVER_SHM_ATTACHMENTS_H_

#include <cstdint>
#include <memory>
#include <set>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "proto/shared_memory.h"
#include "server/fetch_handler.h"
#include "server/shm/attachment.h"
#include "server/unique_fd.h"

namespace engram::server {

struct AttachmentLimits {
  // Most bytes of all regions together; 0: nobody may attach.
  uint64_t bytes = 0;
  // Each has a thread.
  uint32_t attachments = 256;
};

// Thread-safe.
class Attachments {
 public:
  // `handler` must outlive it.
  Attachments(FetchHandler* handler, const AttachmentLimits& limits)
      : handler_(handler), limits_(limits) {}
  // As Stop.
  ~Attachments() { Stop(); }

  // Answers an attach request that has arrived on `connection`, and serves the client until it
  // goes. Does not block.
  void Attach(UniqueFd connection);

  // Turns clients away from now on. Returns when the fetches of those that are attached have ended
  // and their connections are closed.
  void Stop();

  struct Stats {
    uint32_t attachments = 0;
    uint64_t bytes = 0;
  };
  Stats stats() const;

 private:
  // Takes the connection over if it returns OK.
  absl::Status Start(UniqueFd* connection, const UniqueFd& memfd,
                     const shm::AttachRequest& request);
  absl::Status Add(Attachment* attachment, uint64_t bytes);
  // The body of an attachment's thread.
  void Run(std::unique_ptr<Attachment> attachment, UniqueFd connection, uint64_t bytes);
  void Forget(Attachment* attachment);
  void Release(uint64_t bytes);

  FetchHandler* const handler_;
  const AttachmentLimits limits_;
  mutable absl::Mutex mutex_;
  std::set<Attachment*> attached_ ABSL_GUARDED_BY(mutex_);  // to be told to stop
  Stats stats_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace engram::server

#endif  // ENGRAM_SERVER_SHM_ATTACHMENTS_H_
