// Memory that direct reads may go to.
#ifndef ENGRAM_STORAGE_COLD_ALIGNED_BUFFER_H_
#define ENGRAM_STORAGE_COLD_ALIGNED_BUFFER_H_

#include <cstddef>
#include <cstdlib>
#include <memory>
#include <new>

#include "storage/io/readable_file.h"

namespace engram::storage {

struct FreeAligned {
  void operator()(std::byte* buffer) const {
    ::operator delete[](buffer, std::align_val_t{kDirectAlignment});
  }
};
using AlignedBuffer = std::unique_ptr<std::byte[], FreeAligned>;

// Uninitialised bytes, aligned to kDirectAlignment.
inline AlignedBuffer NewAlignedBuffer(size_t bytes) {
  return AlignedBuffer(
      static_cast<std::byte*>(::operator new[](bytes, std::align_val_t{kDirectAlignment})));
}

}  // namespace engram::storage

#endif  // ENGRAM_STORAGE_COLD_ALIGNED_BUFFER_H_
