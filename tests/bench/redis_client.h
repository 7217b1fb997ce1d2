// A minimal client of Redis: rows under their ids, as 4 bytes, little-endian.
#ifndef ENGRAM_TESTS_BENCH_REDIS_CLIENT_H_
#define ENGRAM_TESTS_BENCH_REDIS_CLIENT_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "storage/table_spec.h"

namespace engram::bench {

// One connection over a Unix socket. Not thread-safe. Errors of all functions:
//   UNAVAILABLE  the connection broke
//   INTERNAL     Redis answered with something else than was asked for
class RedisClient {
 public:
  // Tries for up to `timeout`.
  static absl::StatusOr<std::unique_ptr<RedisClient>> Connect(const std::string& socket,
                                                              absl::Duration timeout);
  ~RedisClient();

  // Sets FillRow's rows of the whole table, many with one MSET.
  absl::Status LoadTable(const storage::TableSpec& spec);

  // Gets rows with one MGET.
  //   rows: out, [row_ids x row_bytes]
  absl::Status GetRows(absl::Span<const storage::RowId> row_ids, size_t row_bytes, std::byte* rows);

 private:
  explicit RedisClient(int fd) : fd_(fd), buffer_(size_t{1} << 20) {}

  absl::Status Send(absl::string_view command) const;
  // Makes at least `count` received bytes stand at received_; count is at most the buffer's size.
  absl::Status Receive(size_t count);
  // Takes a line that begins with `type`, and returns the number that follows.
  absl::StatusOr<int64_t> TakeNumber(char type);
  absl::Status Expect(absl::string_view text);

  const int fd_;
  std::vector<char> buffer_;
  size_t received_ = 0;      // the first byte that was not taken yet
  size_t received_end_ = 0;  // and their end
  std::string command_;
};

}  // namespace engram::bench

#endif  // ENGRAM_TESTS_BENCH_REDIS_CLIENT_H_
