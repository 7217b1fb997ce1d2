#include "tests/client/checkpoint/checkpoint_testing.h"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>

#include "gtest/gtest.h"

namespace engram {
namespace {

uint64_t DtypeBytes(const std::string& dtype) {
  static const std::map<std::string, uint64_t> kBytes = {
      {"F8_E4M3", 1}, {"F8_E8M0", 1}, {"BF16", 2}, {"I64", 8}};
  return kBytes.at(dtype);
}

}  // namespace

std::string ReadWholeFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file.is_open()) << path;
  return {std::istreambuf_iterator<char>(file), {}};
}

void ReadSafetensors(const std::string& directory, const std::string& name,
                     std::map<std::string, StoredTensor>& tensors) {
  const std::string file = ReadWholeFile(directory + "/" + name);
  uint64_t header_bytes = 0;
  ASSERT_GE(file.size(), sizeof(header_bytes)) << name;
  std::memcpy(&header_bytes, file.data(), sizeof(header_bytes));
  ASSERT_EQ(header_bytes % 8, 0u) << name;
  const uint64_t data_begin = sizeof(header_bytes) + header_bytes;
  ASSERT_LE(data_begin, file.size()) << name;
  const nlohmann::json header = nlohmann::json::parse(
      file.substr(sizeof(header_bytes), header_bytes), nullptr, /*allow_exceptions=*/false);
  ASSERT_TRUE(header.is_object()) << name;

  std::map<uint64_t, uint64_t> extents;  // begin -> end
  for (const auto& [tensor_name, entry] : header.items()) {
    if (tensor_name == "__metadata__") continue;
    StoredTensor tensor{.file = name,
                        .dtype = entry.at("dtype"),
                        .shape = entry.at("shape").get<std::vector<uint64_t>>(),
                        .bytes = ""};
    const uint64_t begin = entry.at("data_offsets").at(0);
    const uint64_t end = entry.at("data_offsets").at(1);
    uint64_t bytes = DtypeBytes(tensor.dtype);
    for (const uint64_t dimension : tensor.shape) bytes *= dimension;
    ASSERT_EQ(end - begin, bytes) << tensor_name;
    ASSERT_LE(data_begin + end, file.size()) << tensor_name;
    tensor.bytes = file.substr(data_begin + begin, bytes);
    extents[begin] = end;
    ASSERT_TRUE(tensors.emplace(tensor_name, std::move(tensor)).second) << tensor_name;
  }
  uint64_t covered = 0;
  for (const auto& [begin, end] : extents) {
    ASSERT_EQ(begin, covered) << name;
    covered = end;
  }
  ASSERT_EQ(data_begin + covered, file.size()) << name;
}

StoredCheckpoint ReadCheckpoint(const std::string& directory) {
  StoredCheckpoint checkpoint;
  checkpoint.config = nlohmann::json::parse(ReadWholeFile(directory + "/config.json"));
  checkpoint.index =
      nlohmann::json::parse(ReadWholeFile(directory + "/model.safetensors.index.json"));
  std::set<std::string> files;
  for (const auto& [name, file] : checkpoint.index.at("weight_map").items()) files.insert(file);
  for (const std::string& file : files) ReadSafetensors(directory, file, checkpoint.tensors);

  uint64_t bytes = 0;
  for (const auto& [name, tensor] : checkpoint.tensors) {
    EXPECT_EQ(checkpoint.index["weight_map"].value(name, ""), tensor.file) << name;
    bytes += tensor.bytes.size();
  }
  EXPECT_EQ(checkpoint.index["weight_map"].size(), checkpoint.tensors.size());
  EXPECT_EQ(checkpoint.index["metadata"]["total_size"], bytes);
  return checkpoint;
}

std::vector<std::string> ListDirectory(const std::string& directory) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    names.push_back(entry.path().filename());
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::string FreshDirectory(const std::string& name) {
  const std::filesystem::path path = std::filesystem::path(testing::TempDir()) / name;
  std::filesystem::remove_all(path);
  std::filesystem::create_directories(path);
  return path;
}

}  // namespace engram
