#include "client/callback_thread.h"

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "client/callback_call.h"
#include "client/shm/shared_link.h"

namespace engram {
namespace {

using Calls = std::vector<std::shared_ptr<CallbackCall>>;

thread_local const void* inbox_of_this_thread = nullptr;

// Goes on with all calls and drops those that are over. Returns when to do it again.
absl::Time AdvanceAll(Calls* calls) {
  const absl::Time now = absl::Now();
  std::erase_if(*calls, [now](const auto& call) { return call->Advance(now); });
  absl::Time next = absl::InfiniteFuture();
  for (const auto& call : *calls) next = std::min(next, call->NextLook(now));
  return next;
}

// The link that calls go by, if any do. One is enough, for a client has no other until it is lost.
std::shared_ptr<SharedLink> LinkOf(const Calls& calls) {
  for (const auto& call : calls) {
    if (auto link = call->link(); link != nullptr) {
      return link;
    }
  }
  return nullptr;
}

}  // namespace

// What the thread is told. Shared with it and with all that poke, whoever stays longest.
class CallbackThread::Inbox {
 public:
  void Poke() {
    std::shared_ptr<SharedLink> link;
    {
      absl::MutexLock lock(&mutex_);
      poked_ = true;
      link = watched_;
    }
    if (link != nullptr) link->Interrupt();
  }

  void Add(std::shared_ptr<CallbackCall> call) {
    {
      absl::MutexLock lock(&mutex_);
      added_.push_back(std::move(call));
    }
    Poke();
  }

  void Stop() {
    {
      absl::MutexLock lock(&mutex_);
      stopping_ = true;
    }
    Poke();
  }

  bool stopping() const {
    absl::MutexLock lock(&mutex_);
    return stopping_;
  }

  // Waits until it is poked, at most until `deadline`, or until the link has more completions than
  // at the last call.
  void Await(std::shared_ptr<SharedLink> link, absl::Time deadline) {
    absl::MutexLock lock(&mutex_);
    if (link == nullptr) {
      mutex_.AwaitWithDeadline(absl::Condition(&poked_), deadline);
    } else if (!poked_) {
      seen_ = link == last_.lock() ? seen_ : 0;
      last_ = link;
      watched_ = link;
      mutex_.Unlock();
      seen_ = link->AwaitMore(seen_, deadline);
      mutex_.Lock();
      watched_ = nullptr;
    }
    poked_ = false;
  }

  Calls TakeAdded() {
    absl::MutexLock lock(&mutex_);
    return std::exchange(added_, {});
  }

 private:
  mutable absl::Mutex mutex_;
  bool poked_ ABSL_GUARDED_BY(mutex_) = false;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  Calls added_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<SharedLink> watched_ ABSL_GUARDED_BY(mutex_);

  // The thread's own.
  std::weak_ptr<SharedLink> last_;
  uint32_t seen_ = 0;
};

CallbackThread::CallbackThread() : inbox_(std::make_shared<Inbox>()) {}

CallbackThread::~CallbackThread() {
  inbox_->Stop();
  absl::MutexLock lock(&mutex_);
  if (IsThisThread()) {
    thread_.detach();
  } else if (thread_.joinable()) {
    thread_.join();
  }
}

void CallbackThread::Add(std::shared_ptr<CallbackCall> call) {
  inbox_->Add(std::move(call));
  absl::MutexLock lock(&mutex_);
  if (!thread_.joinable()) {
    thread_ = std::thread([inbox = inbox_] { Run(inbox); });
  }
}

std::function<void()> CallbackThread::poke() const {
  return [inbox = inbox_] { inbox->Poke(); };
}

bool CallbackThread::IsThisThread() const { return inbox_of_this_thread == inbox_.get(); }

void CallbackThread::Run(const std::shared_ptr<Inbox>& inbox) {
  inbox_of_this_thread = inbox.get();
  Calls calls;
  while (!inbox->stopping()) {
    Calls added = inbox->TakeAdded();
    std::move(added.begin(), added.end(), std::back_inserter(calls));
    const absl::Time next = AdvanceAll(&calls);
    inbox->Await(LinkOf(calls), next);
  }
}

}  // namespace engram
