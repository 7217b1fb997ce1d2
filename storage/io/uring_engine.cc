#include "storage/io/uring_engine.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <utility>

#include "absl/base/call_once.h"
#include "absl/time/clock.h"
#include "spdlog/spdlog.h"
#include "storage/io/pread_engine.h"
#include "storage/io/read_progress.h"

namespace engram::storage {
namespace {

// The kernel takes 32-bit lengths and reads at most 2 GiB at once; the rest is continued.
constexpr size_t kMaxReadBytes = size_t{1} << 30;

class UringQueue final : public ReadQueue {
 public:
  explicit UringQueue(int queue_depth) : depth_(static_cast<unsigned>(queue_depth)) {}

  // Returns 0, or the errno with which the kernel refused the ring. To be called first.
  int Init(unsigned flags, const RingSetup& setup) {
    const int result = setup(std::bit_ceil(depth_), &ring_, flags);
    ready_ = result == 0;
    return -result;
  }

  ~UringQueue() override {
    if (ready_) {
      while (in_flight_ > 0) {
        EnterAndReap(in_flight_);
      }
      io_uring_queue_exit(&ring_);
    }
  }

  void Submit(ReadRequest* request) override {
    assert(std::this_thread::get_id() == owner_);
    assert(!request->done);
    while (in_flight_ >= depth_) {
      EnterAndReap(1);
    }
    ++in_flight_;
    Prepare(request);
  }

  void Flush() override { EnterAndReap(0); }

  void Await(absl::Span<ReadRequest> requests) override {
    assert(std::this_thread::get_id() == owner_);
    while (const unsigned pending = Pending(requests)) {
      EnterAndReap(pending);
    }
  }

  void SpinFor(absl::Span<ReadRequest> requests, absl::Time until) override {
    assert(std::this_thread::get_id() == owner_);
    while (Pending(requests) > 0 && absl::Now() < until) {
      Reap(io_uring_submit_and_get_events(&ring_));
    }
  }

 private:
  static unsigned Pending(absl::Span<const ReadRequest> requests) {
    return static_cast<unsigned>(std::count_if(requests.begin(), requests.end(),
                                               [](const ReadRequest& r) { return !r.done; }));
  }

  // Each read in flight has at most one entry in the submission queue, so there is room.
  void Prepare(ReadRequest* request) {
    io_uring_sqe* entry = io_uring_get_sqe(&ring_);
    assert(entry != nullptr);
    const size_t length = std::min(request->length - request->bytes_read, kMaxReadBytes);
    io_uring_prep_read(entry, request->fd, request->buffer + request->bytes_read,
                       static_cast<unsigned>(length), request->offset + request->bytes_read);
    io_uring_sqe_set_data(entry, request);
  }

  // Submits what is prepared, waits for `wait` completions of whatever reads, and takes all.
  void EnterAndReap(unsigned wait) { Reap(io_uring_submit_and_wait(&ring_, wait)); }

  // Takes all completions.
  //   result: of the call that submitted
  void Reap(int result) {
    if (result < 0 && result != -EINTR && result != -EAGAIN && result != -EBUSY &&
        result != -ENOMEM) {
      // The kernel may own buffers of ours, and nothing can tell when it is done with them.
      spdlog::critical("io_uring_enter failed: {}", std::strerror(-result));
      std::abort();
    }
    unsigned head = 0;
    unsigned taken = 0;
    io_uring_cqe* completion = nullptr;
    io_uring_for_each_cqe(&ring_, head, completion) {
      ++taken;
      auto* request = static_cast<ReadRequest*>(io_uring_cqe_get_data(completion));
      if (AdvanceRead(completion->res, request)) {
        --in_flight_;
      } else {
        Prepare(request);
      }
    }
    io_uring_cq_advance(&ring_, taken);
  }

  const unsigned depth_;
  const std::thread::id owner_ = std::this_thread::get_id();
  io_uring ring_ = {};
  bool ready_ = false;
  unsigned in_flight_ = 0;
};

class UringEngine final : public ReadEngine {
 public:
  UringEngine(const ReadEngineOptions& options, unsigned flags, RingSetup setup)
      : options_(options), flags_(flags), setup_(std::move(setup)) {}

  std::unique_ptr<ReadQueue> NewQueue() override {
    auto queue = std::make_unique<UringQueue>(options_.queue_depth);
    const int error = queue->Init(flags_, setup_);
    if (error == 0) {
      return queue;
    }
    absl::call_once(fallback_once_, [this, error] {
      spdlog::warn("some threads read by pread: {}", RefusalSentence(error));
      fallback_pool_ = std::make_shared<PreadPool>(options_.pread_threads, PreadFunction());
    });
    return NewPreadQueue(fallback_pool_, options_.queue_depth);
  }
  const std::string& name() const override { return name_; }
  const std::string& fallback_reason() const override { return fallback_reason_; }
  const ReadEngineOptions& options() const override { return options_; }

 private:
  const std::string name_ = "io_uring";
  const std::string fallback_reason_;
  const ReadEngineOptions options_;
  const unsigned flags_;
  const RingSetup setup_;
  absl::once_flag fallback_once_;
  std::shared_ptr<PreadPool> fallback_pool_;  // written under fallback_once_
};

}  // namespace

std::unique_ptr<ReadEngine> NewUringEngine(const ReadEngineOptions& options, unsigned flags,
                                           RingSetup setup) {
  return std::make_unique<UringEngine>(options, flags, std::move(setup));
}

}  // namespace engram::storage
