#include "storage/io/read_progress.h"

#include <cassert>
#include <cerrno>

#include "storage/io/readable_file.h"

namespace engram::storage {

bool AdvanceRead(int64_t result, ReadRequest* request) {
  assert(!request->done);
  if (result == -EINTR || result == -EAGAIN) {
    return false;
  }
  if (result < 0) {
    // O_DIRECT ends a file whose size is not a multiple of the block with a short read; asking for
    // the rest, at an offset that is not aligned, may be refused rather than answered with 0.
    const bool end_of_file = result == -EINVAL && request->bytes_read > 0 &&
                             (request->offset + request->bytes_read) % kDirectAlignment != 0;
    request->error = end_of_file ? 0 : static_cast<int>(-result);
    request->done = true;
    return true;
  }
  request->bytes_read += static_cast<size_t>(result);
  assert(request->bytes_read <= request->length);
  request->done = result == 0 || request->bytes_read == request->length;
  return request->done;
}

}  // namespace engram::storage
