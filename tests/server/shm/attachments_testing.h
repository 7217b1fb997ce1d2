// A store, a handler of fetches and clients that share memory with them, all in one process.
#ifndef ENGRAM_TESTS_SERVER_SHM_ATTACHMENTS_TESTING_H_
#define ENGRAM_TESTS_SERVER_SHM_ATTACHMENTS_TESTING_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "gmock/gmock.h"
#include "server/fetch_handler.h"
#include "server/shm/attachments.h"
#include "tests/server/shm/raw_client.h"
#include "tests/storage/store_testing.h"

namespace engram::server {

// Matches an absl::Status by its code and a part of its message.
MATCHER_P2(Fails, code, part, "") {
  return arg.code() == code && arg.message().find(part) != std::string::npos;
}

// Files in /proc/self/fd.
size_t CountDescriptors();

// Lines of /proc/self/maps with `part` in them.
size_t CountMappings(const std::string& part);

// Waits for it, a minute at most; returns whether it came true.
bool AwaitTrue(const std::function<bool()>& condition);

// Holds up the store's reads from disk while it is closed.
class Gate {
 public:
  void Close();
  void Open();
  // Called by whoever reads.
  void Pass();
  size_t waiting();
  // Waits until so many reads stand before it.
  void AwaitWaiting(size_t reads);

 private:
  absl::Mutex mutex_;
  bool open_ ABSL_GUARDED_BY(mutex_) = true;
  size_t waiting_ ABSL_GUARDED_BY(mutex_) = 0;
};

class SharedMemoryTest : public testing::Test {
 protected:
  static constexpr uint64_t kAllInRam = 16 << 20;
  static constexpr int kIoThreads = 2;

  ~SharedMemoryTest() override;

  // Opens a store with one table, kTable, in groups of `group_size` rows.
  void StartStore(uint64_t ram_budget_bytes, uint32_t group_size = 1);
  // Ends all attachments and begins anew with these limits.
  void SetLimits(const AttachmentLimits& limits);

  // A client that is attached.
  std::unique_ptr<RawClient> NewClient(uint32_t slots = 8);

  // Expects success, and the bytes of the rows asked for.
  void ExpectFetched(RawClient* client, uint32_t slot, const std::vector<uint32_t>& ids);
  // Fetches and expects the same.
  void FetchAndExpect(RawClient* client, const std::vector<uint32_t>& ids);
  // Checks the rows only.
  void ExpectRows(const RawClient& client, uint32_t slot, const std::vector<uint32_t>& ids);

  // `count` ids of the table, others for each seed.
  std::vector<uint32_t> Ids(size_t count, uint32_t seed) const;

  // Waits until all clients are detached.
  void AwaitNoAttachments();

  const storage::TestTable kTable{};
  const std::string dir_ = storage::TestDir();
  Gate gate_;
  const std::shared_ptr<InFlightLimit> in_flight_ = std::make_shared<InFlightLimit>(64 << 20);
  std::unique_ptr<storage::ReadEngine> engine_;
  std::unique_ptr<storage::TieredStore> store_;
  storage::TableRef table_;
  std::unique_ptr<FetchHandler> handler_;
  std::unique_ptr<Attachments> attachments_;
};

}  // namespace engram::server

#endif  // ENGRAM_TESTS_SERVER_SHM_ATTACHMENTS_TESTING_H_
