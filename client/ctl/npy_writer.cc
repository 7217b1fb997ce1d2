#include "client/ctl/npy_writer.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>

#include "absl/strings/str_cat.h"

namespace engram::ctl {
namespace {

// Format 1.0: magic, version, a 16-bit header length, and a header padded so that the data starts
// at a multiple of 64.
std::string EncodeHeader(size_t rows, size_t row_bytes) {
  constexpr size_t kPreambleBytes = 10;
  constexpr size_t kAlignment = 64;
  std::string header = absl::StrCat("{'descr': '|u1', 'fortran_order': False, 'shape': (", rows,
                                    ", ", row_bytes, "), }");
  while ((kPreambleBytes + header.size() + 1) % kAlignment != 0) header += ' ';
  header += '\n';
  std::string encoded("\x93NUMPY\x01\x00", 8);
  encoded += static_cast<char>(header.size() & 0xFF);
  encoded += static_cast<char>(header.size() >> 8);
  return encoded + header;
}

}  // namespace

absl::Status WriteNpy(const std::string& path, absl::Span<const std::byte> bytes,
                      size_t row_bytes) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  const std::string header = EncodeHeader(bytes.size() / row_bytes, row_bytes);
  file.write(header.data(), static_cast<std::streamsize>(header.size()));
  file.write(reinterpret_cast<const char*>(bytes.data()),
             static_cast<std::streamsize>(bytes.size()));
  file.close();
  if (file.fail()) {
    const int error = errno;
    std::remove(path.c_str());
    return absl::InvalidArgumentError(absl::StrCat("cannot write ", path, ": ", strerror(error)));
  }
  return absl::OkStatus();
}

}  // namespace engram::ctl
