#include "tests/server/shm/attachments_testing.h"

#include <filesystem>
#include <fstream>
#include <iterator>
#include <thread>
#include <utility>

#include "absl/time/clock.h"
#include "client/checkpoint/self_describing.h"
#include "spdlog/spdlog.h"
#include "storage/tiered_store_impl.h"

namespace engram::server {

size_t CountDescriptors() {
  const std::filesystem::directory_iterator all("/proc/self/fd");
  return static_cast<size_t>(std::distance(begin(all), end(all)));
}

size_t CountMappings(const std::string& part) {
  std::ifstream maps("/proc/self/maps");
  size_t count = 0;
  for (std::string line; std::getline(maps, line);) {
    count += line.find(part) != std::string::npos ? 1 : 0;
  }
  return count;
}

bool AwaitTrue(const std::function<bool()>& condition) {
  const absl::Time end = absl::Now() + absl::Minutes(1);
  bool is_true = condition();
  while (!is_true && absl::Now() < end) {
    std::this_thread::yield();
    is_true = condition();
  }
  return is_true;
}

void Gate::Close() {
  absl::MutexLock lock(&mutex_);
  open_ = false;
}

void Gate::Open() {
  absl::MutexLock lock(&mutex_);
  open_ = true;
}

void Gate::Pass() {
  absl::MutexLock lock(&mutex_);
  ++waiting_;
  mutex_.Await(absl::Condition(&open_));
  --waiting_;
}

size_t Gate::waiting() {
  absl::MutexLock lock(&mutex_);
  return waiting_;
}
void Gate::AwaitWaiting(size_t reads) {
  absl::MutexLock lock(&mutex_);
  const auto there = [&]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return waiting_ >= reads; };
  EXPECT_TRUE(mutex_.AwaitWithTimeout(absl::Condition(&there), absl::Minutes(1)));
}

SharedMemoryTest::~SharedMemoryTest() {
  gate_.Open();
  attachments_.reset();
  table_.reset();
  store_.reset();
  std::filesystem::remove_all(dir_);
}

void SharedMemoryTest::StartStore(uint64_t ram_budget_bytes, uint32_t group_size) {
  spdlog::set_level(spdlog::level::err);  // thousands of clients come and go
  auto engine = storage::NewReadEngine(
      {.kind = storage::ReadEngineOptions::Kind::kPread, .pread_threads = 4});
  ASSERT_TRUE(engine.ok()) << engine.status();
  engine_ = *std::move(engine);
  auto store = storage::TieredStoreImpl::OpenWith(
      {.data_dir = dir_ + "/data", .ram_budget_bytes = ram_budget_bytes, .io_threads = kIoThreads},
      storage::NewFaultyEngine(engine_.get(), [this](storage::ReadRequest*) { gate_.Pass(); }),
      {.segment_bytes = 1 << 20});
  ASSERT_TRUE(store.ok()) << store.status();
  store_ = *std::move(store);
  storage::ImportOptions options;
  options.path = storage::WriteNpy(dir_, kTable);
  options.name = "model/layer1";
  options.group_size = group_size;
  const auto imported = store_->Import(options, storage::GoOn);
  ASSERT_TRUE(imported.ok()) << imported.status();
  table_ = *store_->OpenTable(options.name);
  handler_ = std::make_unique<FetchHandler>(store_.get(), in_flight_,
                                            FetchLimits{.rows = 4096, .answer_bytes = 4 << 20});
  SetLimits({.bytes = 64 << 20});
}

void SharedMemoryTest::SetLimits(const AttachmentLimits& limits) {
  attachments_.reset();
  attachments_ = std::make_unique<Attachments>(handler_.get(), limits);
}

std::unique_ptr<RawClient> SharedMemoryTest::NewClient(uint32_t slots) {
  auto client = std::make_unique<RawClient>(slots);
  const absl::Status attached = client->Attach(attachments_.get());
  EXPECT_TRUE(attached.ok()) << attached;
  return client;
}

void SharedMemoryTest::ExpectFetched(RawClient* client, uint32_t slot,
                                     const std::vector<uint32_t>& ids) {
  const absl::Status outcome = client->outcome(slot);
  ASSERT_TRUE(outcome.ok()) << outcome;
  ExpectRows(*client, slot, ids);
}

void SharedMemoryTest::FetchAndExpect(RawClient* client, const std::vector<uint32_t>& ids) {
  const absl::Status status = client->Fetch(0, *table_, ids);
  ASSERT_TRUE(status.ok()) << status;
  ExpectRows(*client, 0, ids);
}

void SharedMemoryTest::ExpectRows(const RawClient& client, uint32_t slot,
                                  const std::vector<uint32_t>& ids) {
  const absl::Status same =
      CheckSelfDescribingRows(kTable.key, ids, client.rows(slot), kTable.row_bytes);
  EXPECT_TRUE(same.ok()) << same;
}

std::vector<uint32_t> SharedMemoryTest::Ids(size_t count, uint32_t seed) const {
  return storage::RandomGroups(kTable, count, 1, seed);
}

void SharedMemoryTest::AwaitNoAttachments() {
  EXPECT_TRUE(AwaitTrue([this] {
    const Attachments::Stats stats = attachments_->stats();
    return stats.attachments == 0 && stats.bytes == 0;
  }));
}

}  // namespace engram::server
