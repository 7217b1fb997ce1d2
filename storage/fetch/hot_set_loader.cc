#include "storage/fetch/hot_set_loader.h"

#include <algorithm>
#include <functional>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "spdlog/spdlog.h"
#include "storage/fetch/group_restore.h"
#include "storage/fetch/pinned_groups.h"

namespace engram::storage {
namespace {

std::string Describe(const TableVersion& table) {
  return absl::StrCat(table.identity().name, " v", table.identity().version);
}

// What became of groups that a file names; errors are those of RestoreGroups.
absl::StatusOr<RestoreCounts> Bring(TableVersion& table, const KnownGroups& groups,
                                    absl::FunctionRef<bool()> go_on) {
  const auto first_free =
      std::find_if_not(groups.pasts.begin(), groups.pasts.end(), std::mem_fn(&GroupPast::pinned));
  const auto count = static_cast<size_t>(first_free - groups.pasts.begin());
  const size_t ids = count * table.spec().group_size;
  KnownGroups pinned;
  pinned.row_ids.assign(groups.row_ids.begin(),
                        groups.row_ids.begin() + static_cast<std::ptrdiff_t>(ids));
  pinned.pasts.assign(groups.pasts.begin(), first_free);
  if (absl::Status status = PinGroups(table, pinned, go_on); absl::IsResourceExhausted(status)) {
    spdlog::warn("{} groups of table {} are pinned no more: {}", NotPinned(table, pinned).size(),
                 Describe(table), std::string(status.message()));
  } else if (!status.ok()) {
    return status;
  }
  auto counts =
      RestoreGroups(table, absl::MakeConstSpan(groups.row_ids).subspan(ids),
                    absl::MakeConstSpan(groups.pasts).subspan(count), RestoreRoom::kNone, go_on);
  if (counts.ok()) counts->held += count;
  return counts;
}

}  // namespace

HotSetLoader::HotSetLoader() : thread_([this] { Run(); }) {}

HotSetLoader::~HotSetLoader() {
  stopping_.store(true);
  {
    absl::MutexLock lock(&mutex_);
    stop_requested_ = true;
  }
  thread_.join();
}

void HotSetLoader::Load(const std::shared_ptr<TableVersion>& table, std::string path,
                        std::string image_path, const HotSetTable& id) {
  table->SetLoadingGroupsLeft(1);  // at least; how many the file names its checksum will tell
  absl::MutexLock lock(&mutex_);
  tasks_.push_back(
      {.table = table, .path = std::move(path), .image_path = std::move(image_path), .id = id});
}

void HotSetLoader::Run() {
  const auto ready = [this]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
    return !tasks_.empty() || stop_requested_;
  };
  std::optional<Task> unfinished;
  while (true) {
    Task task;
    {
      absl::MutexLock lock(&mutex_);
      if (unfinished.has_value()) tasks_.push_back(*std::move(unfinished));
      unfinished.reset();
      mutex_.Await(absl::Condition(&ready));
      if (stop_requested_) return;
      task = std::move(tasks_.front());
      tasks_.pop_front();
    }
    if (LoadPart(&task)) unfinished = std::move(task);
  }
}

bool HotSetLoader::Open(Task* task, TableVersion& table, absl::FunctionRef<bool()> go_on) {
  task->start = absl::Now();
  auto reader = HotSetReader::Open(task->path, task->id);
  if (!reader.ok()) {
    spdlog::warn("what RAM held of table {} is forgotten, and what was pinned: {}", Describe(table),
                 std::string(reader.status().message()));
    return false;
  }
  task->reader = *std::move(reader);
  if (!table.ram().Teach(task->reader->knowledge())) {
    spdlog::warn("table {} learns anew which groups come back: {} is of another policy",
                 Describe(table), task->path);
  }
  table.SetLoadingGroupsLeft(std::max<uint64_t>(task->reader->groups(), 1));
  if (!task->image_path.empty()) OpenImage(task, table, go_on);
  return true;
}

void HotSetLoader::OpenImage(Task* task, const TableVersion& table,
                             absl::FunctionRef<bool()> go_on) {
  const HotImageTable id = {.table = task->id, .row_bytes = table.spec().row_bytes};
  auto image = HotImageLoad::Open(task->image_path, id, task->reader.get(), go_on);
  if (image.ok()) {
    task->image = *std::move(image);
  } else if (!absl::IsNotFound(image.status()) && !absl::IsCancelled(image.status())) {
    spdlog::warn("what RAM held of table {} is read row by row: {}", Describe(table),
                 std::string(image.status().message()));
  }
}

bool HotSetLoader::LoadPart(Task* task) {
  const std::shared_ptr<TableVersion> table = task->table.lock();
  if (table == nullptr) return false;
  const auto go_on = [&] {
    return !stopping_.load(std::memory_order_relaxed) && table.use_count() > 1;
  };
  if (task->reader == nullptr && !Open(task, *table, go_on)) {
    table->SetLoadingGroupsLeft(0);
    return false;
  }
  const bool of_image = task->image != nullptr && !task->image->AtEnd();
  const absl::StatusOr<Part> part =
      of_image ? LoadOfImage(task, *table) : LoadByIds(task, *table, go_on);
  if (!part.ok()) return false;
  if (part->more && task->counts.refused == 0) {
    const uint64_t left = table->loading_groups_left();
    table->SetLoadingGroupsLeft(part->groups < left ? left - part->groups : 1);
    return true;
  }
  LogEnd(*task, *table);
  table->SetLoadingGroupsLeft(0);
  return false;
}

HotSetLoader::Part HotSetLoader::LoadOfImage(Task* task, TableVersion& table) {
  const absl::StatusOr<RestoreCounts> counts = task->image->LoadNext(table);
  if (!counts.ok()) {
    if (task->damaged_blocks++ == 0) {
      spdlog::warn("some of what RAM held of table {} is read row by row: {}", Describe(table),
                   std::string(counts.status().message()));
    }
    return {};
  }
  task->counts += *counts;
  task->of_image += counts->admitted + counts->held;
  return {.groups = counts->admitted + counts->held};
}

absl::StatusOr<HotSetLoader::Part> HotSetLoader::LoadByIds(Task* task, TableVersion& table,
                                                           absl::FunctionRef<bool()> go_on) {
  const size_t most = GroupsOfOneRestore(table.spec());
  auto groups = task->reader->Next(most);
  if (!groups.ok()) {
    spdlog::warn("loading what RAM held of table {} stopped: {}", Describe(table),
                 std::string(groups.status().message()));
    return Part{.more = false};
  }
  Part part = {.more = groups->size() == most};
  if (task->image != nullptr) task->image->RemoveDone(&*groups);
  part.groups = groups->size();
  const absl::StatusOr<RestoreCounts> counts = Bring(table, *groups, go_on);
  if (counts.ok()) {
    task->counts += *counts;
  } else if (absl::IsCancelled(counts.status())) {
    return counts.status();
  } else {
    spdlog::error("{} groups that RAM held of table {} stay on disk: {}", groups->size(),
                  Describe(table), std::string(counts.status().message()));
  }
  return part;
}

void HotSetLoader::LogEnd(const Task& task, const TableVersion& table) {
  const RestoreCounts& counts = task.counts;
  spdlog::info(
      "table {} has {} of the {} groups back that RAM held, {} of them by its image, in {}{}",
      Describe(table), counts.admitted + counts.held, task.reader->groups(), task.of_image,
      absl::FormatDuration(absl::Trunc(absl::Now() - task.start, absl::Milliseconds(1))),
      counts.refused > 0 ? ": there is no more room" : "");
}

}  // namespace engram::storage
