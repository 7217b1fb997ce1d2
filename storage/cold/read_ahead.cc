#include "storage/cold/read_ahead.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <utility>

#include "storage/cold/aligned_buffer.h"

namespace engram::storage {
namespace {

// Memory of one thread's window, unless two reads take more.
constexpr size_t kWindowBytes = size_t{4} << 20;

size_t WindowReads(size_t read_bytes, int max_reads) {
  return std::clamp<size_t>(kWindowBytes / read_bytes, 1, static_cast<size_t>(max_reads));
}

// The thread's window memory, kept from call to call.
std::byte* ThreadBuffer(size_t bytes) {
  thread_local AlignedBuffer buffer;
  thread_local size_t buffer_bytes = 0;
  if (buffer_bytes < bytes) {
    buffer.reset();
    buffer = NewAlignedBuffer(std::bit_ceil(bytes));
    buffer_bytes = std::bit_ceil(bytes);
  }
  return buffer.get();
}

}  // namespace

ReadAhead::ReadAhead(ReadQueue* queue, size_t read_bytes, int max_reads)
    : queue_(queue),
      read_bytes_(read_bytes),
      capacity_(WindowReads(read_bytes, max_reads)),
      buffers_(ThreadBuffer(capacity_ * read_bytes)),
      requests_(capacity_),
      files_(capacity_) {
  assert(read_bytes % kDirectAlignment == 0);
}

ReadAhead::~ReadAhead() {
  while (size_ > 0) {
    PopOldest(AwaitOldest(size_));
  }
}

void ReadAhead::Push(std::shared_ptr<const ReadableFile> file, uint64_t offset) {
  assert(!full());
  const size_t place = (oldest_ + size_) % capacity_;
  ++size_;
  ReadRequest& request = requests_[place];
  files_[place] = std::move(file);
  if (files_[place] == nullptr) {
    request = {.done = true};
    return;
  }
  request = {.fd = files_[place]->fd(),
             .offset = offset,
             .length = read_bytes_,
             .buffer = buffers_ + place * read_bytes_};
  ++reads_;
  queue_->Submit(&request);
}

size_t ReadAhead::AwaitOldest(size_t max_count, absl::Time spin_until) {
  // A run stops where the ring wraps around.
  awaited_ = std::min({max_count, size_, capacity_ - oldest_});
  const auto requests = absl::MakeSpan(requests_).subspan(oldest_, awaited_);
  if (spin_until != absl::InfinitePast()) queue_->SpinFor(requests, spin_until);
  queue_->Await(requests);
  return awaited_;
}

void ReadAhead::PopOldest(size_t count) {
  assert(count <= awaited_);
  for (size_t i = 0; i < count; ++i) {
    files_[oldest_ + i].reset();
  }
  oldest_ = (oldest_ + count) % capacity_;
  size_ -= count;
  awaited_ -= count;
}

absl::Span<const std::byte> ReadAhead::Oldest(size_t index) const {
  assert(index < awaited_);
  const ReadRequest& request = requests_[oldest_ + index];
  return {request.buffer, request.error == 0 ? request.bytes_read : 0};
}

}  // namespace engram::storage
