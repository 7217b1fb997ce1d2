#include "storage/cold/index_loader.h"

#include <utility>

#include "spdlog/spdlog.h"
#include "storage/cold/page_layout.h"
#include "storage/cold/rocksdb_options.h"

namespace engram::storage {

IndexLoader::IndexLoader(Instance* instance) : instance_(instance), thread_([this] { Run(); }) {}

IndexLoader::~IndexLoader() {
  {
    absl::MutexLock lock(&mutex_);
    stop_ = true;
  }
  thread_.join();
}

void IndexLoader::Add(const std::shared_ptr<ColumnFamily>& family, std::shared_ptr<SstMap> files) {
  absl::MutexLock lock(&mutex_);
  tables_.push_back({family, std::move(files)});
}

void IndexLoader::WaitUntilIdle() {
  absl::MutexLock lock(&mutex_);
  mutex_.Await(absl::Condition(this, &IndexLoader::Idle));
}

bool IndexLoader::stopped() {
  absl::MutexLock lock(&mutex_);
  return stop_;
}

void IndexLoader::Run() {
  for (;;) {
    Table table;
    {
      absl::MutexLock lock(&mutex_);
      mutex_.Await(absl::Condition(this, &IndexLoader::HasWork));
      if (stop_) {
        return;
      }
      table = tables_.front();
    }
    Load(table);
    absl::MutexLock lock(&mutex_);
    tables_.pop_front();
  }
}

void IndexLoader::Load(const Table& table) {
  for (const auto& file : table.files->files()) {
    // Held for one file only: the loader does not keep a dropped table's files.
    const std::shared_ptr<ColumnFamily> family = table.family.lock();
    if (family == nullptr || stopped()) {
      return;
    }
    // Reading a page opens its file and loads the index, which then stays.
    const PageKey key = EncodePageKey(file->first_page);
    rocksdb::PinnableSlice value;
    const auto status =
        instance_->db()->Get(PageReadOptions(), family->handle(), {key.data(), key.size()}, &value);
    if (!status.ok()) {
      spdlog::error("{} is damaged: {}", file->path, status.ToString());
    }
  }
}

}  // namespace engram::storage
