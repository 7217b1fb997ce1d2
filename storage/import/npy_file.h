// Files of NumPy's .npy format, versions 1.0, 2.0 and 3.0.
#ifndef ENGRAM_STORAGE_IMPORT_NPY_FILE_H_
#define ENGRAM_STORAGE_IMPORT_NPY_FILE_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "storage/import/tensor.h"

namespace engram::storage {

// Parses a header: the Python dict behind the magic, the version and the length, as text. Only
// little-endian arrays in C order are taken. Void types ('|V264', also what ml_dtypes' bfloat16 and
// float8 become) turn into bytes: an array of n of them is U8 [n, 264], one of [n, m] is
// U8 [n, 264 m].
// `path` begins every message. Sets type, shape and bytes of the result.
//   INVALID_ARGUMENT  names what is wrong
absl::StatusOr<Tensor> ParseNpyHeader(absl::string_view header, absl::string_view path);

// Opens a file, and checks its header and its length.
//   NOT_FOUND         there is no such file
//   INVALID_ARGUMENT  it is not a .npy file that can be taken
//   DATA_LOSS         it cannot be read
absl::StatusOr<Tensor> OpenNpy(const std::string& path);

}  // namespace engram::storage

#endif  // ENGRAM_STORAGE_IMPORT_NPY_FILE_H_
