// Runs engramctl in this process, against a daemon in this process.
#ifndef ENGRAM_TESTS_CLIENT_CTL_CTL_TESTING_H_
#define ENGRAM_TESTS_CLIENT_CTL_CTL_TESTING_H_

#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "server/server.h"

namespace engram::ctl {

inline constexpr int kSuccess = 0;
inline constexpr int kFailed = 1;
inline constexpr int kUsage = 2;
inline constexpr int kUnreachable = 3;
inline constexpr int kWrongData = 4;

struct Outcome {
  int exit_code = -1;
  std::string out;
  std::string err;

  // The whole of `out` as one document; a discarded value, which no test expects, if it is none.
  nlohmann::json json() const { return nlohmann::json::parse(out, nullptr, false); }
};

// Who sits before the program.
struct User {
  std::string in = "";  // what is typed
  bool in_is_terminal = false;
  bool err_is_terminal = false;
  std::function<void()> on_out_flush = [] {};
  std::function<void()> on_err_flush = [] {};
};

// For User::on_err_flush: presses Ctrl-C at the first call.
std::function<void()> CtrlCOnce();

// Runs "engramctl ARGS...".
Outcome RunCtl(const std::vector<std::string>& args, const User& user = {});

// A directory and a daemon for each test.
class CtlTest : public testing::Test {
 protected:
  CtlTest();
  ~CtlTest() override;

  // Runs "engramctl ARGS... --address <the daemon's>".
  Outcome Run(std::vector<std::string> args, const User& user = {}) const;

  // The checkpoint of geometry deepseek-v4.1 in checkpoint(), with tables of a few MB.
  void MakeCheckpoint(const std::vector<std::string>& flags = {}) const;
  // Makes it and imports it: tables demo/layer1 and demo/layer14.
  void ImportDemo() const;

  // Writes rows 0 .. count - 1 of a table as a .npy file of uint8 [count, row_bytes].
  static void WriteSelfDescribingNpy(const std::string& path, uint32_t layer, uint32_t seed,
                                     uint32_t count, uint32_t row_bytes);

  // Writes a file of row ids; returns its path.
  std::string WriteIds(const std::vector<uint32_t>& ids) const;

  // Flips one bit in the stored bytes of a self-describing row of layer 1, seed 0.
  void DamageStoredRow(uint32_t row_id, uint32_t row_bytes) const;

  std::string Path(const std::string& name) const { return dir_ + "/" + name; }
  std::string checkpoint() const { return Path("checkpoint"); }
  std::string address() const { return "unix:" + Path("socket"); }
  void StopDaemon() { server_.reset(); }
  // In place of the one that runs.
  void StartDaemon(const std::vector<std::string>& whole_tables = {});

 private:
  const std::string dir_;
  std::unique_ptr<server::Server> server_;
};

// A file of tests/data.
std::string DataPath(const std::string& name);

// The whole file.
std::string ReadFile(const std::string& path);

}  // namespace engram::ctl

#endif  // ENGRAM_TESTS_CLIENT_CTL_CTL_TESTING_H_
