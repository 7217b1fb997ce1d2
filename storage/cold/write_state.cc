#include "storage/cold/write_state.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "spdlog/spdlog.h"
#include "storage/cold/rocksdb_status.h"

namespace engram::storage {
namespace {

class ErrorListener final : public rocksdb::EventListener {
 public:
  explicit ErrorListener(std::shared_ptr<WriteState> state) : state_(std::move(state)) {}

  void OnBackgroundError(rocksdb::BackgroundErrorReason /*reason*/,
                         rocksdb::Status* error) override {
    if (!error->ok()) {
      state_->Stop(*error);
    }
  }

  void OnErrorRecoveryBegin(rocksdb::BackgroundErrorReason /*reason*/, rocksdb::Status /*error*/,
                            bool* auto_recovery) override {
    *auto_recovery = false;
  }

 private:
  const std::shared_ptr<WriteState> state_;
};

}  // namespace

WriteState::WriteState(std::string dir, std::shared_ptr<rocksdb::FileSystem> file_system)
    : dir_(std::move(dir)), file_system_(std::move(file_system)) {}

absl::Status WriteState::CheckRunning() const {
  absl::MutexLock lock(&mutex_);
  return stopped_;
}

absl::Status WriteState::Check(uint64_t bytes) const { return CheckSpace(bytes, kReservedBytes); }

absl::Status WriteState::CheckOpening() const { return CheckSpace(kOpeningBytes, 0); }

absl::Status WriteState::CheckCatalogWrite() const { return CheckSpace(0, kCatalogReservedBytes); }

absl::Status WriteState::CheckSpace(uint64_t bytes, uint64_t reserved) const {
  if (auto status = CheckRunning(); !status.ok()) {
    return status;
  }
  uint64_t free_bytes = 0;
  const auto status = file_system_->GetFreeSpace(dir_, {}, &free_bytes, nullptr);
  // Where the space cannot be told, the write will.
  if (status.ok() && free_bytes < bytes + reserved) {
    return absl::ResourceExhaustedError(
        absl::StrCat("the disk of ", dir_, " is full: ", free_bytes, " bytes are free, and ",
                     bytes + reserved, " are needed",
                     reserved > 0 ? absl::StrCat(", ", reserved, " of them to be left free") : ""));
  }
  return absl::OkStatus();
}

void WriteState::Stop(const rocksdb::Status& error) {
  absl::MutexLock lock(&mutex_);
  if (stopped_.ok()) {
    stopped_ = FromRocksDb(
        error, absl::StrCat("the database in ", dir_, " takes no writes until it is opened again"));
    spdlog::error(std::string(stopped_.message()));
  }
}

std::shared_ptr<rocksdb::EventListener> NewErrorListener(std::shared_ptr<WriteState> state) {
  return std::make_shared<ErrorListener>(std::move(state));
}

}  // namespace engram::storage
