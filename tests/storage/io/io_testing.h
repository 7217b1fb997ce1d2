// What the tests of the read engines share.
#ifndef ENGRAM_TESTS_STORAGE_IO_IO_TESTING_H_
#define ENGRAM_TESTS_STORAGE_IO_IO_TESTING_H_

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>

#include "storage/io/read_engine.h"
#include "storage/io/readable_file.h"

namespace engram::storage {

struct AlignedFree {
  void operator()(std::byte* buffer) const { std::free(buffer); }
};
using AlignedBytes = std::unique_ptr<std::byte[], AlignedFree>;

// Zeroes, aligned for direct reads.
AlignedBytes NewAlignedBytes(size_t bytes);

// The byte at `offset` of every test file.
inline std::byte FileByte(uint64_t offset) {
  return static_cast<std::byte>((offset * 0x9E3779B97F4A7C15u) >> 56);
}

// How many of the first `length` bytes differ from those at `offset` of a test file.
size_t CountWrongBytes(const std::byte* bytes, uint64_t offset, size_t length);

// Writes a file of `bytes` for the running test and returns its path.
std::string WriteTestFile(const std::string& name, size_t bytes);

// Opens it; fails the test if that is impossible.
std::unique_ptr<ReadableFile> OpenTestFile(const std::string& path, bool direct);

}  // namespace engram::storage

#endif  // ENGRAM_TESTS_STORAGE_IO_IO_TESTING_H_
