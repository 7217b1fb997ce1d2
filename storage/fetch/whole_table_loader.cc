#include "storage/fetch/whole_table_loader.h"

#include <utility>

#include "absl/status/status.h"
#include "absl/time/clock.h"
#include "spdlog/spdlog.h"

namespace engram::storage {

WholeTableLoader::WholeTableLoader() : thread_([this] { Run(); }) {}

WholeTableLoader::~WholeTableLoader() {
  stopping_.store(true);
  {
    absl::MutexLock lock(&mutex_);
    stop_requested_ = true;
  }
  thread_.join();
}

void WholeTableLoader::Load(std::weak_ptr<TableVersion> table, WholeTable* whole) {
  absl::MutexLock lock(&mutex_);
  tasks_.push_back({std::move(table), whole});
}

void WholeTableLoader::Run() {
  const auto ready = [this]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
    return !tasks_.empty() || stop_requested_;
  };
  while (true) {
    Task task;
    {
      absl::MutexLock lock(&mutex_, absl::Condition(&ready));
      if (stop_requested_) {
        return;
      }
      task = std::move(tasks_.front());
      tasks_.pop_front();
    }
    LoadTable(task);
  }
}

void WholeTableLoader::LoadTable(const Task& task) {
  const std::shared_ptr<TableVersion> table = task.table.lock();
  if (table == nullptr) {
    return;
  }
  const absl::Time start = absl::Now();
  const absl::Status status =
      table->cold().Scan([&](uint64_t first_row, absl::Span<const std::byte> rows) {
        task.whole->Load(first_row, rows);
        return !stopping_.load(std::memory_order_relaxed) && table.use_count() > 1;
      });
  const TableIdentity& identity = table->identity();
  if (status.ok()) {
    spdlog::info("table {} v{} is whole in RAM: {} rows loaded in {}", identity.name,
                 identity.version, table->spec().rows,
                 absl::FormatDuration(absl::Trunc(absl::Now() - start, absl::Milliseconds(1))));
  } else if (!absl::IsCancelled(status)) {
    spdlog::error("loading table {} v{} into RAM stopped, the rest is served from disk: {}",
                  identity.name, identity.version, status.ToString());
  }
}

}  // namespace engram::storage
