// Reads checkpoints back without the code that wrote them.
#ifndef ENGRAM_TESTS_CLIENT_CHECKPOINT_CHECKPOINT_TESTING_H_
#define ENGRAM_TESTS_CLIENT_CHECKPOINT_CHECKPOINT_TESTING_H_

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace engram {

struct StoredTensor {
  std::string file;
  std::string dtype;
  std::vector<uint64_t> shape;
  std::string bytes;
};

struct StoredCheckpoint {
  nlohmann::json config;
  nlohmann::json index;
  std::map<std::string, StoredTensor> tensors;
};

std::string ReadWholeFile(const std::string& path);

// Reads the tensors of one file into `tensors`. Fails the running test unless the file is exactly
// as safetensors wants it: an aligned header, and tensors without gaps up to the last byte.
void ReadSafetensors(const std::string& directory, const std::string& name,
                     std::map<std::string, StoredTensor>& tensors);

// Reads every shard that the index names; fails the running test where index and shards disagree.
StoredCheckpoint ReadCheckpoint(const std::string& directory);

// Names of the files in a directory, sorted.
std::vector<std::string> ListDirectory(const std::string& directory);

// An empty directory of this name, under the test's temporary directory.
std::string FreshDirectory(const std::string& name);

}  // namespace engram

#endif  // ENGRAM_TESTS_CLIENT_CHECKPOINT_CHECKPOINT_TESTING_H_
