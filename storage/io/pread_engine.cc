#include "storage/io/pread_engine.h"

#include <unistd.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <utility>

#include "storage/io/read_progress.h"

namespace engram::storage {
namespace {

class PreadQueue final : public ReadQueue, private ReadCompletion {
 public:
  PreadQueue(std::shared_ptr<PreadPool> pool, int queue_depth)
      : depth_(queue_depth), pool_(std::move(pool)) {}

  ~PreadQueue() override {
    Flush();
    absl::MutexLock lock(&mutex_);
    while (in_flight_ > 0) {
      changed_.Wait(&mutex_);
    }
  }

  void Submit(ReadRequest* request) override {
    unflushed_.push_back(request);
    if (unflushed_.size() >= static_cast<size_t>(depth_)) {
      Flush();
    }
  }

  void Flush() override {
    absl::Span<ReadRequest* const> rest = unflushed_;
    while (!rest.empty()) {
      size_t taken = 0;
      {
        absl::MutexLock lock(&mutex_);
        while (in_flight_ >= depth_) {
          changed_.Wait(&mutex_);
        }
        taken = std::min(rest.size(), static_cast<size_t>(depth_ - in_flight_));
        in_flight_ += static_cast<int>(taken);
      }
      pool_->Add(rest.first(taken), this);
      rest.remove_prefix(taken);
    }
    unflushed_.clear();
  }

  void Await(absl::Span<ReadRequest> requests) override {
    Flush();
    absl::MutexLock lock(&mutex_);
    for (ReadRequest& request : requests) {
      awaited_ = &request;
      while (!request.done) {
        changed_.Wait(&mutex_);
      }
    }
    awaited_ = nullptr;
  }

 private:
  void Complete(const ReadRequest& result, ReadRequest* request) override {
    assert(result.done);
    absl::MutexLock lock(&mutex_);
    *request = result;
    const bool was_full = in_flight_-- == depth_;
    if (was_full || in_flight_ == 0 || awaited_ == request) {
      changed_.Signal();
    }
  }

  const int depth_;
  const std::shared_ptr<PreadPool> pool_;
  std::vector<ReadRequest*> unflushed_;  // the owner's

  absl::Mutex mutex_;
  absl::CondVar changed_;  // the owner waits on it
  int in_flight_ ABSL_GUARDED_BY(mutex_) = 0;
  const ReadRequest* awaited_ ABSL_GUARDED_BY(mutex_) = nullptr;
};

class PreadEngine final : public ReadEngine {
 public:
  PreadEngine(const ReadEngineOptions& options, std::string fallback_reason, PreadFunction pread)
      : options_(options),
        fallback_reason_(std::move(fallback_reason)),
        pool_(std::make_shared<PreadPool>(options.pread_threads, std::move(pread))) {}

  std::unique_ptr<ReadQueue> NewQueue() override {
    return NewPreadQueue(pool_, options_.queue_depth);
  }
  const std::string& name() const override { return name_; }
  const std::string& fallback_reason() const override { return fallback_reason_; }
  const ReadEngineOptions& options() const override { return options_; }

 private:
  const std::string name_ = "pread";
  const ReadEngineOptions options_;
  const std::string fallback_reason_;
  const std::shared_ptr<PreadPool> pool_;
};

}  // namespace

PreadPool::PreadPool(int threads, PreadFunction pread)
    : pread_(pread ? std::move(pread) : PreadFunction(::pread)) {
  assert(threads > 0);
  for (int i = 0; i < threads; ++i) {
    threads_.emplace_back([this] { Run(); });
  }
}

PreadPool::~PreadPool() {
  {
    absl::MutexLock lock(&mutex_);
    assert(jobs_.empty());
    stop_ = true;
  }
  for (std::thread& thread : threads_) {
    thread.join();
  }
}

void PreadPool::Add(absl::Span<ReadRequest* const> requests, ReadCompletion* completion) {
  absl::MutexLock lock(&mutex_);
  for (ReadRequest* request : requests) {
    jobs_.push_back({request, completion});
  }
}

void PreadPool::Run() {
  for (;;) {
    Job job;
    {
      absl::MutexLock lock(&mutex_);
      mutex_.Await(absl::Condition(this, &PreadPool::HasWork));
      if (jobs_.empty()) {
        return;
      }
      job = jobs_.front();
      jobs_.pop_front();
    }
    // Progress is kept in a copy: the request itself changes under its queue's lock only.
    ReadRequest progress = *job.request;
    for (;;) {
      const ssize_t result = pread_(progress.fd, progress.buffer + progress.bytes_read,
                                    progress.length - progress.bytes_read,
                                    static_cast<off_t>(progress.offset + progress.bytes_read));
      if (AdvanceRead(result < 0 ? -errno : result, &progress)) {
        break;
      }
    }
    job.completion->Complete(progress, job.request);
  }
}

std::unique_ptr<ReadQueue> NewPreadQueue(std::shared_ptr<PreadPool> pool, int queue_depth) {
  return std::make_unique<PreadQueue>(std::move(pool), queue_depth);
}

std::unique_ptr<ReadEngine> NewPreadEngine(const ReadEngineOptions& options,
                                           std::string fallback_reason, PreadFunction pread) {
  return std::make_unique<PreadEngine>(options, std::move(fallback_reason), std::move(pread));
}

}  // namespace engram::storage
