// A file descriptor that closes itself.
#ifndef ENGRAM_SERVER_UNIQUE_FD_H_
#define ENGRAM_SERVER_UNIQUE_FD_H_

#include <unistd.h>

#include <utility>

namespace engram::server {

class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(other.Release()) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    Reset(other.Release());
    return *this;
  }
  ~UniqueFd() { Reset(); }

  bool valid() const { return fd_ >= 0; }
  int get() const { return fd_; }

  // The caller closes it from now on.
  int Release() { return std::exchange(fd_, -1); }

  void Reset(int fd = -1) {
    if (fd_ >= 0) {
      close(fd_);
    }
    fd_ = fd;
  }

 private:
  int fd_ = -1;
};

}  // namespace engram::server

#endif  // ENGRAM_SERVER_UNIQUE_FD_H_
