#include "client/shm/shared_call.h"

#include <algorithm>
#include <atomic>
#include <future>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "client/callback_call.h"
#include "client/callback_thread.h"
#include "client/unary_call.h"
#include "gmock/gmock.h"
#include "tests/client/shm/fake_sharer_testing.h"

namespace engram {
namespace {

using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr absl::Duration kLong = absl::Hours(1);
constexpr absl::Duration kShort = absl::Milliseconds(20);

class SharedCallTest : public testing::Test {
 protected:
  explicit SharedCallTest(absl::Duration patience = kLong)
      : link_(MustLink(sharer_, patience)),
        block_(link_->heap()->Allocate(1000)),
        shared_rows_(block_.data(), 1000) {}

  std::shared_ptr<SharedCall> Start(absl::Span<std::byte> rows, const FetchOptions& options = {}) {
    return SharedCall::Start(link_, shm::Call(), ids_, rows, options,
                             [this](absl::Span<const uint32_t> ids) {
                               fallbacks_.emplace_back(ids.begin(), ids.end());
                               return UnaryCall::Refused(absl::NotFoundError("fallen back"));
                             });
  }

  FakeSharer sharer_;
  const std::shared_ptr<SharedLink> link_;
  const SharedHeap::Block block_;
  const absl::Span<std::byte> shared_rows_;
  const std::vector<uint32_t> ids_ = {7, 8, 9};
  std::vector<std::byte> own_rows_ = std::vector<std::byte>(1000);
  std::vector<std::vector<uint32_t>> fallbacks_;
};

TEST_F(SharedCallTest, RowsAreCopiedToMemoryOfOnesOwn) {
  const auto call = Start(absl::MakeSpan(own_rows_));
  ASSERT_NE(call, nullptr);
  EXPECT_FALSE(call->done());
  sharer_.WriteRows(0, std::byte{5});
  sharer_.Complete(0, absl::OkStatus());
  EXPECT_THAT(own_rows_, Each(std::byte{0}));
  EXPECT_EQ(call->Wait(), absl::OkStatus());
  EXPECT_THAT(own_rows_, Each(std::byte{5}));
  EXPECT_TRUE(call->done());
  EXPECT_TRUE(fallbacks_.empty());
}

TEST_F(SharedCallTest, RowsOfTheHeapAreWrittenInPlace) {
  const auto call = Start(shared_rows_);
  EXPECT_EQ(sharer_.call(0).rows_offset, block_.offset());
  sharer_.WriteRows(0, std::byte{5});
  EXPECT_THAT(shared_rows_, Each(std::byte{5}));
  sharer_.Complete(0, absl::OkStatus());
  EXPECT_EQ(call->Wait(), absl::OkStatus());
}

TEST_F(SharedCallTest, ErrorsAreTheDaemonsOwn) {
  const auto call = Start(absl::MakeSpan(own_rows_));
  sharer_.WriteRows(0, std::byte{5});
  sharer_.Complete(0, absl::DataLossError("row 8"));
  EXPECT_EQ(call->Wait(), absl::DataLossError("row 8"));
  EXPECT_THAT(own_rows_, Each(std::byte{0}));
}

TEST_F(SharedCallTest, ADaemonThatStopsIsFallenBackFrom) {
  const auto call = Start(absl::MakeSpan(own_rows_));
  sharer_.Complete(0, absl::UnavailableError("stopping"));
  EXPECT_EQ(call->Wait(), absl::NotFoundError("fallen back"));
  EXPECT_THAT(fallbacks_, ElementsAre(ids_));
}

TEST_F(SharedCallTest, ADaemonThatIsGoneIsFallenBackFrom) {
  const auto own = Start(absl::MakeSpan(own_rows_));
  const auto shared = Start(shared_rows_);
  sharer_.HangUp();
  EXPECT_EQ(own->Wait(), absl::NotFoundError("fallen back"));
  EXPECT_EQ(shared->Wait(), absl::NotFoundError("fallen back"));
  EXPECT_THAT(fallbacks_, ElementsAre(ids_, ids_));
  EXPECT_FALSE(link_->heap()->poisoned());
}

TEST_F(SharedCallTest, WhoeverOnlyPollsLearnsThatTheDaemonIsGone) {
  const auto call = Start(shared_rows_);
  sharer_.HangUp();
  while (!call->done()) {
  }
  EXPECT_EQ(call->Wait(), absl::NotFoundError("fallen back"));
}

TEST_F(SharedCallTest, PastItsDeadlineItIsLeftToTheDaemon) {
  const auto call =
      Start(absl::MakeSpan(own_rows_), {.deadline = absl::Now() + absl::Milliseconds(20)});
  ASSERT_NE(call, nullptr);
  EXPECT_GT(sharer_.call(0).deadline_us, 0u);
  EXPECT_TRUE(absl::IsDeadlineExceeded(call->Wait()));
  EXPECT_TRUE(call->done());
  sharer_.WriteRows(0, std::byte{5});
  sharer_.Complete(0, absl::OkStatus());
  EXPECT_TRUE(absl::IsDeadlineExceeded(call->Wait()));
  EXPECT_THAT(own_rows_, Each(std::byte{0}));
}

TEST_F(SharedCallTest, IsNotStartedPastItsDeadline) {
  EXPECT_EQ(Start(shared_rows_, {.deadline = absl::Now()}), nullptr);
  EXPECT_EQ(sharer_.submitted(), 0u);
}

// Whoever reuses the memory must find it at rest.
TEST_F(SharedCallTest, RowsOfTheHeapAreWaitedForPastTheDeadline) {
  const auto call = Start(shared_rows_, {.deadline = absl::Now() + absl::Milliseconds(10)});
  ASSERT_NE(call, nullptr);
  std::atomic<bool> completed{false};
  std::thread daemon([&] {
    absl::SleepFor(absl::Milliseconds(50));
    completed = true;
    sharer_.Complete(0, absl::DeadlineExceededError("late"));
  });
  EXPECT_EQ(call->Wait(), absl::DeadlineExceededError("late"));
  EXPECT_TRUE(completed);
  daemon.join();
}

TEST_F(SharedCallTest, CancelledAtOnceWhereTheDaemonMayWriteOn) {
  const auto call = Start(absl::MakeSpan(own_rows_));
  call->Cancel();
  EXPECT_TRUE(call->done());
  EXPECT_TRUE(absl::IsCancelled(call->Wait()));
  sharer_.WriteRows(0, std::byte{5});
  sharer_.Complete(0, absl::OkStatus());
  EXPECT_THAT(own_rows_, Each(std::byte{0}));
}

TEST_F(SharedCallTest, CancelledInPlaceWhenTheDaemonIsDone) {
  const auto call = Start(shared_rows_);
  call->Cancel();
  EXPECT_FALSE(call->done());
  sharer_.Complete(0, absl::OkStatus());
  EXPECT_TRUE(absl::IsCancelled(call->Wait()));
}

TEST_F(SharedCallTest, CancelComesTooLateForWhatIsDone) {
  const auto call = Start(shared_rows_);
  sharer_.Complete(0, absl::OkStatus());
  call->Cancel();
  EXPECT_EQ(call->Wait(), absl::OkStatus());
}

TEST_F(SharedCallTest, IsNotStartedWithoutMemory) {
  const auto rest = link_->heap()->Allocate((uint64_t{1} << 20) - 2 * shm::kPageBytes);
  ASSERT_FALSE(rest.empty());
  EXPECT_EQ(Start(absl::MakeSpan(own_rows_)), nullptr);
}

// Nobody waits for these fetches: it is the callback thread that does.
class CallbackOfSharedCallTest : public SharedCallTest {
 protected:
  explicit CallbackOfSharedCallTest(absl::Duration patience = kLong) : SharedCallTest(patience) {}
  ~CallbackOfSharedCallTest() override { EXPECT_EQ(calls_, closed_); }

  Ticket Submit(absl::Span<std::byte> rows, FetchOptions options = {}) {
    ++closed_;
    auto call = Start(rows, options);
    EXPECT_NE(call, nullptr);
    options.on_done = [this, promise = std::make_shared<std::promise<absl::Status>>(
                                 std::exchange(next_, {}))](const absl::Status& status) {
      ++calls_;
      promise->set_value(status);
    };
    return Ticket(CallbackCall::Start(thread_, std::move(call), options));
  }
  // What the next submission's callback will say.
  std::future<absl::Status> Next() { return next_.get_future(); }

  const std::shared_ptr<CallbackThread> thread_ = std::make_shared<CallbackThread>();
  std::promise<absl::Status> next_;
  std::atomic<int> calls_{0};
  int closed_ = 0;
};

TEST_F(CallbackOfSharedCallTest, ComesWithTheCompletion) {
  auto first = Next();
  const Ticket one = Submit(absl::MakeSpan(own_rows_));
  auto second = Next();
  const Ticket two = Submit(shared_rows_);
  sharer_.WriteRows(sharer_.SlotOf(1), std::byte{6});
  sharer_.Complete(sharer_.SlotOf(1), absl::OkStatus());
  EXPECT_EQ(second.get(), absl::OkStatus());
  EXPECT_THAT(shared_rows_, Each(std::byte{6}));
  EXPECT_EQ(calls_, 1);
  sharer_.WriteRows(sharer_.SlotOf(0), std::byte{5});
  absl::SleepFor(kShort);  // likely long enough for the thread to sleep
  sharer_.Complete(sharer_.SlotOf(0), absl::OkStatus());
  EXPECT_EQ(first.get(), absl::OkStatus());
  EXPECT_THAT(own_rows_, Each(std::byte{5}));
}

TEST_F(CallbackOfSharedCallTest, ADaemonThatIsGoneIsFallenBackFrom) {
  auto first = Next();
  const Ticket own = Submit(absl::MakeSpan(own_rows_));
  auto second = Next();
  const Ticket shared = Submit(shared_rows_);
  sharer_.HangUp();
  EXPECT_EQ(first.get(), absl::NotFoundError("fallen back"));
  EXPECT_EQ(second.get(), absl::NotFoundError("fallen back"));
  EXPECT_THAT(fallbacks_, ElementsAre(ids_, ids_));
}

TEST_F(CallbackOfSharedCallTest, ComesAtTheDeadline) {
  auto late = Next();
  const Ticket ticket =
      Submit(absl::MakeSpan(own_rows_), {.deadline = absl::Now() + absl::Milliseconds(200)});
  EXPECT_TRUE(absl::IsDeadlineExceeded(late.get()));
}

TEST_F(CallbackOfSharedCallTest, CancelledWhenTheMemoryIsAtRest) {
  auto first = Next();
  Ticket own = Submit(absl::MakeSpan(own_rows_));
  auto second = Next();
  Ticket shared = Submit(shared_rows_);
  own.Cancel();
  shared.Cancel();
  EXPECT_TRUE(absl::IsCancelled(first.get()));
  EXPECT_EQ(calls_, 1) << "the daemon may write to the other's";
  sharer_.Complete(sharer_.SlotOf(1), absl::OkStatus());
  EXPECT_TRUE(absl::IsCancelled(second.get()));
  EXPECT_TRUE(absl::IsCancelled(shared.Wait()));
}

class HangingDaemonTest : public SharedCallTest {
 protected:
  HangingDaemonTest() : SharedCallTest(/*patience=*/kShort) {}
};

TEST_F(HangingDaemonTest, IsFallenBackFrom) {
  const auto call = Start(absl::MakeSpan(own_rows_));
  EXPECT_EQ(call->Wait(), absl::NotFoundError("fallen back"));
  EXPECT_THAT(fallbacks_, ElementsAre(ids_));
  EXPECT_FALSE(link_->heap()->poisoned());
  // It goes on, and writes to memory that nobody uses.
  sharer_.WriteRows(0, std::byte{5});
  sharer_.Complete(0, absl::OkStatus());
  EXPECT_THAT(own_rows_, Each(std::byte{0}));
}

TEST_F(HangingDaemonTest, KeepsTheMemoryThatItMayWriteTo) {
  const auto call = Start(shared_rows_);
  const absl::Status status = call->Wait();
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("another one"));
  EXPECT_TRUE(fallbacks_.empty());
  EXPECT_TRUE(link_->heap()->poisoned());
}

class CallbackOfHangingDaemonTest : public CallbackOfSharedCallTest {
 protected:
  CallbackOfHangingDaemonTest() : CallbackOfSharedCallTest(/*patience=*/kShort) {}
};

TEST_F(CallbackOfHangingDaemonTest, IsFallenBackFromOrGivenUp) {
  auto first = Next();
  const Ticket own = Submit(absl::MakeSpan(own_rows_));
  auto second = Next();
  const Ticket shared = Submit(shared_rows_);
  EXPECT_EQ(first.get(), absl::NotFoundError("fallen back"));
  EXPECT_TRUE(absl::IsUnavailable(second.get()));
  EXPECT_TRUE(link_->heap()->poisoned());
}

}  // namespace
}  // namespace engram
