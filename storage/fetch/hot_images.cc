#include "storage/fetch/hot_images.h"

#include <algorithm>
#include <filesystem>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "spdlog/spdlog.h"
#include "storage/hot/disk_room.h"

namespace engram::storage {
namespace {

namespace fs = std::filesystem;

// Copied before others get the cache's lock.
constexpr size_t kGroupsOfOneLock = 64;
constexpr size_t kBytesOfOneLock = size_t{128} << 10;
// What a stop waits for at most.
constexpr absl::Duration kSleep = absl::Milliseconds(20);
// What an orderly stop writes at once: any image that is so small, and a first one.
constexpr uint64_t kSmallImageBytes = uint64_t{64} << 20;
constexpr uint64_t kFirstImageBytes = uint64_t{1} << 30;

}  // namespace

HotImages::HotImages(HotImagesOptions options)
    : options_(std::move(options)), pace_(options_.bytes_per_s), thread_([this] { Run(); }) {}

HotImages::~HotImages() { Stop(); }

std::string HotImages::PathOf(const std::string& folder, uint64_t uid) {
  return absl::StrCat(folder, "/", uid, ".rows");
}

HotImageTable HotImages::IdOf(uint64_t uid, const TableVersion& table) {
  return {.table = {.uid = uid,
                    .digest = table.identity().digest,
                    .rows = table.spec().rows,
                    .group_size = table.spec().group_size},
          .row_bytes = table.spec().row_bytes};
}

void HotImages::Offer(uint64_t uid, const std::shared_ptr<TableVersion>& table) {
  absl::MutexLock lock(&mutex_);
  const auto same = [uid](const Task& task) { return task.uid == uid; };
  if (std::any_of(tasks_.begin(), tasks_.end(), same)) return;
  tasks_.push_back({.uid = uid, .table = table});
}

void HotImages::Drop(uint64_t uid) {
  absl::MutexLock lock(&mutex_);
  const auto same = [uid](const Task& task) { return task.uid == uid; };
  tasks_.erase(std::remove_if(tasks_.begin(), tasks_.end(), same), tasks_.end());
  if (writing_ == uid) dropped_.store(true);
  std::error_code ignored;  // the next start tries again
  fs::remove(PathOf(options_.folder, uid), ignored);
}

void HotImages::Stop() {
  stopping_.store(true);
  {
    absl::MutexLock lock(&mutex_);
    stop_requested_ = true;
  }
  if (thread_.joinable()) thread_.join();
}

void HotImages::Run() {
  while (const std::optional<Task> task = AwaitTask()) WritePaced(*task);
}

std::optional<HotImages::Task> HotImages::AwaitTask() {
  const auto ready = [this]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
    return !tasks_.empty() || stop_requested_;
  };
  const auto go_on = [this] { return !stopping_.load(std::memory_order_relaxed); };
  while (true) {
    {
      absl::MutexLock lock(&mutex_);
      mutex_.Await(absl::Condition(&ready));
    }
    if (!SleepUntil(pace_.NextBegin(), go_on)) return std::nullopt;
    absl::MutexLock lock(&mutex_);
    if (tasks_.empty()) continue;  // dropped meanwhile
    Task task = std::move(tasks_.front());
    tasks_.pop_front();
    writing_ = task.uid;
    dropped_.store(false);
    return task;
  }
}

void HotImages::WritePaced(const Task& task) {
  bool done = false;
  if (const std::shared_ptr<TableVersion> table = task.table.lock(); table != nullptr) {
    uint64_t written = 0;
    const auto go_on = [&] {
      return !stopping_.load(std::memory_order_relaxed) && !dropped_.load() &&
             table.use_count() > 1;
    };
    pace_.Begin(options_.now());
    const absl::StatusOr<uint64_t> all = Write(task, *table, [&](uint64_t bytes) {
      written = bytes;
      return SleepUntil(pace_.NextWrite(bytes), go_on);
    });
    done = all.ok();
    pace_.End(options_.now(), all.value_or(written));
  }
  absl::MutexLock lock(&mutex_);
  writing_.reset();
  std::error_code ignored;
  if (dropped_.load()) {  // perhaps after the image was in its place
    fs::remove(PathOf(options_.folder, task.uid), ignored);
  } else if (!done && stop_requested_) {
    tasks_.push_front(task);
  }
}

void HotImages::WriteLast() {
  std::deque<Task> tasks;
  {
    absl::MutexLock lock(&mutex_);
    tasks.swap(tasks_);
  }
  for (const Task& task : tasks) {
    const std::shared_ptr<TableVersion> table = task.table.lock();
    if (table == nullptr) continue;
    const uint64_t groups = table->ram().Stats().rows / table->spec().group_size;
    const uint64_t bytes = HotImageBytes(IdOf(task.uid, *table), groups);
    std::error_code error;
    const bool first = !fs::exists(PathOf(options_.folder, task.uid), error);
    if (bytes > (first ? kFirstImageBytes : kSmallImageBytes)) continue;
    Write(task, *table, [](uint64_t /*bytes*/) { return true; }).IgnoreError();  // it is logged
  }
}

absl::StatusOr<uint64_t> HotImages::Write(const Task& task, TableVersion& table,
                                          absl::FunctionRef<bool(uint64_t bytes)> go_on) const {
  const absl::Time start = options_.now();
  absl::StatusOr<uint64_t> bytes = WriteFile(task, table, go_on);
  if (bytes.ok()) {
    spdlog::debug("wrote the rows that RAM holds of table {} v{}, {} bytes, in {}",
                  table.identity().name, table.identity().version, *bytes,
                  absl::FormatDuration(options_.now() - start));
  } else if (!absl::IsCancelled(bytes.status())) {
    spdlog::warn("the rows that RAM holds of table {} v{} were not written: {}",
                 table.identity().name, table.identity().version,
                 std::string(bytes.status().message()));
  }
  return bytes;
}

absl::StatusOr<uint64_t> HotImages::WriteFile(const Task& task, TableVersion& table,
                                              absl::FunctionRef<bool(uint64_t bytes)> go_on) const {
  const HotImageTable id = IdOf(task.uid, table);
  const std::vector<SlotId> slots = table.ram().SlotsByWorth();
  if (absl::Status status = CheckDiskRoom(options_.folder, HotImageBytes(id, slots.size()));
      !status.ok()) {
    return status;
  }
  const auto stamp = static_cast<uint64_t>(absl::ToUnixNanos(options_.now()));
  auto writer =
      HotImageWriter::Create(PathOf(options_.folder, task.uid), id, stamp, options_.calls);
  if (!writer.ok()) return writer.status();
  const size_t step =
      std::clamp<size_t>(kBytesOfOneLock / table.spec().group_bytes(), 1, kGroupsOfOneLock);
  KnownGroups groups;
  std::vector<std::byte> rows;
  for (size_t begin = 0; begin < slots.size(); begin += step) {
    if (!go_on((*writer)->bytes())) return absl::CancelledError("stopped");
    groups.row_ids.clear();
    groups.pasts.clear();
    rows.clear();
    table.ram().ExportWithRows(absl::MakeConstSpan(slots).subspan(begin, step), &groups, &rows);
    if (absl::Status status = (*writer)->Append(groups.row_ids, rows); !status.ok()) return status;
  }
  if (!go_on((*writer)->bytes())) return absl::CancelledError("stopped");
  if (absl::Status status = (*writer)->Commit(); !status.ok()) return status;
  return (*writer)->bytes();
}

bool HotImages::SleepUntil(absl::Time time, absl::FunctionRef<bool()> go_on) const {
  while (go_on()) {
    const absl::Duration left = time - options_.now();
    if (left <= absl::ZeroDuration()) return true;
    options_.sleep(std::min(left, kSleep));
  }
  return false;
}

}  // namespace engram::storage
