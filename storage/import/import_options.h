// What to import, and how it goes.
#ifndef ENGRAM_STORAGE_IMPORT_IMPORT_OPTIONS_H_
#define ENGRAM_STORAGE_IMPORT_IMPORT_OPTIONS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "storage/table_spec.h"

namespace engram::storage {

// Three ways to say it:
//  - a checkpoint directory whose config.json names Engram layers (DeepSeek-V4.1, Qwen): all of
//    them, or `layer`; tables are called "<name>/layer<N>";
//  - a checkpoint directory or a .safetensors file and `tensor` (with `scale_tensor`);
//  - a .npy file, or a .safetensors file that holds one tensor only.
// In the last two the table is called `name`.
struct ImportOptions {
  std::string path;
  std::string name;
  std::optional<uint32_t> layer;  // as config.json counts (engram_config.h)
  std::string tensor;
  std::string scale_tensor;
  uint32_t group_size = 0;       // 0: 1, or what the config says
  std::vector<uint32_t> orders;  // empty: what the config says
  bool stage_only = false;       // do not publish
};

struct ImportProgress {
  std::string table;
  uint64_t rows_done = 0;
  uint64_t rows_total = 0;
  uint64_t bytes_done = 0;
  uint64_t bytes_total = 0;
  double bytes_per_second = 0;
  double seconds_left = 0;
  std::optional<TableInfo> imported{};  // set once a table, at the end
};

}  // namespace engram::storage

#endif  // ENGRAM_STORAGE_IMPORT_IMPORT_OPTIONS_H_
