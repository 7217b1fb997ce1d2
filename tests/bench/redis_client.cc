#include "tests/bench/redis_client.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "absl/memory/memory.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "tests/bench/bench_table.h"

namespace engram::bench {
namespace {

constexpr size_t kRowsOfOneSet = 1024;
constexpr absl::string_view kEnd = "\r\n";
constexpr size_t kMaxLine = 64;

void AppendBulk(absl::string_view bytes, std::string* command) {
  absl::StrAppend(command, "$", bytes.size(), kEnd);
  command->append(bytes.data(), bytes.size());
  command->append(kEnd.data(), kEnd.size());
}

void AppendKey(const storage::RowId& row, std::string* command) {
  AppendBulk({reinterpret_cast<const char*>(&row), sizeof(row)}, command);
}

}  // namespace

absl::StatusOr<std::unique_ptr<RedisClient>> RedisClient::Connect(const std::string& socket,
                                                                  absl::Duration timeout) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, socket.c_str(), sizeof(address.sun_path) - 1);
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  auto client = absl::WrapUnique(new RedisClient(fd));
  for (const absl::Time end = absl::Now() + timeout; absl::Now() < end;
       absl::SleepFor(absl::Milliseconds(20))) {
    if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0) {
      return client;
    }
  }
  return absl::UnavailableError(absl::StrCat("no Redis answers on ", socket));
}

RedisClient::~RedisClient() { close(fd_); }

absl::Status RedisClient::LoadTable(const storage::TableSpec& spec) {
  std::vector<std::byte> row(spec.row_bytes);
  for (uint64_t first = 0; first < spec.rows; first += kRowsOfOneSet) {
    const uint64_t end = std::min(spec.rows, first + kRowsOfOneSet);
    command_ = absl::StrCat("*", 1 + 2 * (end - first), kEnd);
    AppendBulk("MSET", &command_);
    for (uint64_t id = first; id < end; ++id) {
      FillRow(static_cast<storage::RowId>(id), absl::MakeSpan(row));
      AppendKey(static_cast<storage::RowId>(id), &command_);
      AppendBulk({reinterpret_cast<const char*>(row.data()), row.size()}, &command_);
    }
    absl::Status status = Send(command_);
    status.Update(Expect("+OK\r\n"));
    if (!status.ok()) {
      return status;
    }
  }
  return absl::OkStatus();
}

absl::Status RedisClient::GetRows(absl::Span<const storage::RowId> row_ids, size_t row_bytes,
                                  std::byte* rows) {
  command_ = absl::StrCat("*", 1 + row_ids.size(), kEnd);
  AppendBulk("MGET", &command_);
  for (const storage::RowId& row : row_ids) {
    AppendKey(row, &command_);
  }
  if (auto status = Send(command_); !status.ok()) {
    return status;
  }
  const auto count = TakeNumber('*');
  if (!count.ok() || *count != static_cast<int64_t>(row_ids.size())) {
    return count.ok() ? absl::InternalError("Redis sent another number of rows") : count.status();
  }
  for (size_t i = 0; i < row_ids.size(); ++i) {
    const auto size = TakeNumber('$');
    if (!size.ok() || *size != static_cast<int64_t>(row_bytes)) {
      return size.ok() ? absl::InternalError("Redis sent a row of another size") : size.status();
    }
    if (auto status = Receive(row_bytes + kEnd.size()); !status.ok()) {
      return status;
    }
    std::memcpy(rows + i * row_bytes, &buffer_[received_], row_bytes);
    received_ += row_bytes + kEnd.size();
  }
  return absl::OkStatus();
}

absl::Status RedisClient::Send(absl::string_view command) const {
  while (!command.empty()) {
    const ssize_t sent = send(fd_, command.data(), command.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno != EINTR) {
      return absl::UnavailableError(absl::StrCat("sending to Redis: ", std::strerror(errno)));
    }
    command.remove_prefix(sent < 0 ? 0 : static_cast<size_t>(sent));
  }
  return absl::OkStatus();
}

absl::Status RedisClient::Receive(size_t count) {
  if (received_end_ - received_ >= count) {
    return absl::OkStatus();
  }
  std::memmove(buffer_.data(), buffer_.data() + received_, received_end_ - received_);
  received_end_ -= received_;
  received_ = 0;
  while (received_end_ < count) {
    const ssize_t got =
        recv(fd_, buffer_.data() + received_end_, buffer_.size() - received_end_, /*flags=*/0);
    if (got == 0 || (got < 0 && errno != EINTR)) {
      return absl::UnavailableError(absl::StrCat(
          "receiving from Redis: ", got == 0 ? "connection closed" : std::strerror(errno)));
    }
    received_end_ += got < 0 ? 0 : static_cast<size_t>(got);
  }
  return absl::OkStatus();
}

absl::StatusOr<int64_t> RedisClient::TakeNumber(char type) {
  size_t length = 0;
  do {
    if (auto status = Receive(++length); !status.ok()) {
      return status;
    }
  } while (length < kMaxLine && buffer_[received_ + length - 1] != '\n');
  const absl::string_view line(&buffer_[received_], length);
  received_ += length;
  int64_t number = 0;
  if (line[0] != type || length < 1 + kEnd.size() ||
      !absl::SimpleAtoi(line.substr(1, length - 1 - kEnd.size()), &number)) {
    return absl::InternalError(absl::StrCat("Redis sent: ", line));
  }
  return number;
}

absl::Status RedisClient::Expect(absl::string_view text) {
  if (auto status = Receive(text.size()); !status.ok()) {
    return status;
  }
  const absl::string_view line(&buffer_[received_], text.size());
  received_ += text.size();
  return line == text ? absl::OkStatus() : absl::InternalError(absl::StrCat("Redis sent: ", line));
}

}  // namespace engram::bench
