// What the result of one read call means for the read it is part of.
#ifndef ENGRAM_STORAGE_IO_READ_PROGRESS_H_
#define ENGRAM_STORAGE_IO_READ_PROGRESS_H_

#include "storage/io/read_engine.h"

namespace engram::storage {

// Takes the result of a read call for the rest of `request`: bytes read, or -errno. Returns true
// and sets request->done if the read is complete; false if it must be continued at
// offset + bytes_read.
bool AdvanceRead(int64_t result, ReadRequest* request);

}  // namespace engram::storage

#endif  // ENGRAM_STORAGE_IO_READ_PROGRESS_H_
