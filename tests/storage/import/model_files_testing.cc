#include "tests/storage/import/model_files_testing.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "gtest/gtest.h"

namespace engram::storage {

ScratchDirectory::ScratchDirectory() : path_(testing::TempDir() + "/import_XXXXXX") {
  if (mkdtemp(path_.data()) == nullptr) ADD_FAILURE() << "mkdtemp " << path_;
}

ScratchDirectory::~ScratchDirectory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string ScratchDirectory::Write(const std::string& name, const std::string& bytes) const {
  const std::string path = absl::StrCat(path_, "/", name);
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  file.close();
  if (!file) ADD_FAILURE() << "cannot write " << path;
  return path;
}

std::string Pattern(uint32_t seed, uint64_t size) {
  std::string bytes(size, '\0');
  uint64_t state = seed * 0x9E3779B97F4A7C15ull + 1;
  for (char& byte : bytes) {
    state = state * 6364136223846793005ull + 1442695040888963407ull;
    byte = static_cast<char>(state >> 56);
  }
  return bytes;
}

std::string LittleEndian(uint64_t value, int bytes) {
  std::string text;
  for (int i = 0; i < bytes; ++i) text.push_back(static_cast<char>(value >> (8 * i)));
  return text;
}

std::string SafetensorsBytes(const std::string& header, const std::string& data) {
  return LittleEndian(header.size(), 8) + header + data;
}

std::string SafetensorsBytes(const std::vector<TestTensor>& tensors) {
  std::string header = R"({"__metadata__":{"format":"pt"})";
  std::string data;
  for (const TestTensor& tensor : tensors) {
    absl::StrAppend(&header, ",\"", tensor.name, "\":{\"dtype\":\"", tensor.type, "\",\"shape\":[",
                    absl::StrJoin(tensor.shape, ","), "],\"data_offsets\":[", data.size(), ",",
                    data.size() + tensor.bytes.size(), "]}");
    data += tensor.bytes;
  }
  header += "}";
  while (header.size() % 8 != 0) header += ' ';
  return SafetensorsBytes(header, data);
}

std::string IndexText(const std::vector<std::pair<std::string, std::string>>& tensors) {
  std::string text =
      R"({"metadata": {"total_size": 12, "nested": [1, {"a": null}]}, "weight_map": {)";
  absl::StrAppend(&text, absl::StrJoin(tensors, ",", [](std::string* out, const auto& entry) {
    absl::StrAppend(out, "\"", entry.first, "\": \"", entry.second, "\"");
  }));
  return text + "}}";
}

std::string NpyBytes(int version, const std::string& header, const std::string& data) {
  return absl::StrCat("\x93NUMPY", LittleEndian(static_cast<uint64_t>(version), 2),
                      LittleEndian(header.size(), version == 1 ? 2 : 4), header, data);
}

std::string NpyHeader(const std::string& descr, const std::string& shape) {
  return absl::StrCat("{'descr': '", descr, "', 'fortran_order': False, 'shape': ", shape,
                      ", }          \n");
}

std::string SideBySide(const std::string& left, const std::string& right, uint64_t rows) {
  std::string packed;
  const uint64_t left_bytes = left.size() / rows;
  const uint64_t right_bytes = right.size() / rows;
  for (uint64_t i = 0; i < rows; ++i) {
    packed += left.substr(i * left_bytes, left_bytes);
    packed += right.substr(i * right_bytes, right_bytes);
  }
  return packed;
}

std::string RowBytes(const RowSource& source, uint64_t first, uint64_t count) {
  std::string rows(count * source.spec().row_bytes, '\xEE');
  const absl::Status status =
      source.ReadRows(first, count, {reinterpret_cast<std::byte*>(rows.data()), rows.size()});
  return status.ok() ? rows : status.ToString();
}

std::string AllRows(const RowSource& source) { return RowBytes(source, 0, source.spec().rows); }

std::unique_ptr<RowSource> OpenSingle(const ImportOptions& options) {
  absl::StatusOr<std::vector<NamedRowSource>> sources = OpenRowSources(options);
  if (!sources.ok() || sources->size() != 1) {
    ADD_FAILURE() << sources.status() << ": not one table";
    return nullptr;
  }
  return std::move(sources->front().rows);
}

}  // namespace engram::storage
