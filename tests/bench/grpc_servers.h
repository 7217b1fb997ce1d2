// The servers that grpc_bench runs as processes of their own: hidden sub-commands of the program.
#ifndef ENGRAM_TESTS_BENCH_GRPC_SERVERS_H_
#define ENGRAM_TESTS_BENCH_GRPC_SERVERS_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"

namespace engram::bench {

// Lets glibc keep freed answers instead of giving their pages back, in clients and servers alike.
void TuneMalloc();

// The daemon with engramd's flags, the first of argv being a name of the program, until SIGTERM;
// and with TakeStallFlag's.
absl::Status ServeTables(int argc, const char* const* argv);

// Bare gRPC: streams of any method, on which every message is answered with the next answer_bytes
// of a block of block_bytes bytes, which is that many FillRow rows of row_bytes one after another:
// one copy by memcpy, to a buffer that gRPC takes over. block_bytes is a multiple of answer_bytes,
// which is one of row_bytes. On a Unix socket, until SIGTERM.
absl::Status ServeEcho(uint64_t block_bytes, uint64_t answer_bytes, uint32_t row_bytes,
                       const std::string& socket);

}  // namespace engram::bench

#endif  // ENGRAM_TESTS_BENCH_GRPC_SERVERS_H_
