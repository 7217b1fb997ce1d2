#include "tests/client/ctl/ctl_testing.h"

#include <csignal>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <utility>

#include "client/checkpoint/self_describing.h"
#include "client/ctl/engramctl.h"
#include "client/ctl/npy_writer.h"

namespace engram::ctl {
namespace {

std::string FreshDirectory() {
  const testing::TestInfo* const test = testing::UnitTest::GetInstance()->current_test_info();
  const std::string path = std::filesystem::path(testing::TempDir()) /
                           (std::string(test->test_suite_name()) + "." + test->name());
  std::filesystem::remove_all(path);
  std::filesystem::create_directories(path);
  return path;
}

std::vector<std::byte> SelfDescribingRow(const SelfDescribingKey& key, uint32_t row_id,
                                         uint32_t row_bytes) {
  std::vector<std::byte> row(row_bytes);
  FillSelfDescribingRow(key, row_id, absl::MakeSpan(row));
  return row;
}

// Calls a function whenever its stream is flushed.
class FlushBuffer : public std::stringbuf {
 public:
  explicit FlushBuffer(const std::function<void()>& on_flush) : on_flush_(on_flush) {}

 protected:
  int sync() override {
    on_flush_();
    return 0;
  }

 private:
  const std::function<void()>& on_flush_;
};

}  // namespace

std::function<void()> CtrlCOnce() {
  return [pressed = false]() mutable {
    if (!std::exchange(pressed, true)) std::raise(SIGINT);
  };
}

Outcome RunCtl(const std::vector<std::string>& args, const User& user) {
  std::vector<const char*> argv = {"engramctl"};
  for (const std::string& arg : args) argv.push_back(arg.c_str());
  FlushBuffer out_buffer(user.on_out_flush);
  FlushBuffer err_buffer(user.on_err_flush);
  std::ostream out(&out_buffer);
  std::ostream err(&err_buffer);
  std::istringstream in(user.in);
  const int exit_code = RunEngramctl(static_cast<int>(argv.size()), argv.data(),
                                     {.out = out,
                                      .err = err,
                                      .in = in,
                                      .in_is_terminal = user.in_is_terminal,
                                      .err_is_terminal = user.err_is_terminal});
  return {.exit_code = exit_code, .out = out_buffer.str(), .err = err_buffer.str()};
}

CtlTest::CtlTest() : dir_(FreshDirectory()) { StartDaemon(); }

void CtlTest::StartDaemon(const std::vector<std::string>& whole_tables) {
  server_.reset();
  server::ServerOptions options;
  options.store.whole_tables = whole_tables;
  options.store.data_dir = Path("data");
  options.store.ram_budget_bytes = 8 << 20;
  options.unix_socket = Path("socket");
  auto server = server::Server::Start(options);
  EXPECT_TRUE(server.ok()) << server.status();
  if (server.ok()) server_ = *std::move(server);
}

CtlTest::~CtlTest() {
  server_.reset();
  std::filesystem::remove_all(dir_);
}

Outcome CtlTest::Run(std::vector<std::string> args, const User& user) const {
  args.insert(args.end(), {"--address", address()});
  return RunCtl(args, user);
}

void CtlTest::MakeCheckpoint(const std::vector<std::string>& flags) const {
  std::vector<std::string> args = {"make-checkpoint", checkpoint(), "--vocab-size", "300"};
  args.insert(args.end(), flags.begin(), flags.end());
  const Outcome made = RunCtl(args);
  ASSERT_EQ(made.exit_code, kSuccess) << made.err;
}

void CtlTest::ImportDemo() const {
  MakeCheckpoint();
  const Outcome imported = Run({"import", checkpoint(), "demo"});
  ASSERT_EQ(imported.exit_code, kSuccess) << imported.err;
}

void CtlTest::WriteSelfDescribingNpy(const std::string& path, uint32_t layer, uint32_t seed,
                                     uint32_t count, uint32_t row_bytes) {
  std::vector<std::byte> rows;
  for (uint32_t row_id = 0; row_id < count; ++row_id) {
    const auto row = SelfDescribingRow({.layer = layer, .seed = seed}, row_id, row_bytes);
    rows.insert(rows.end(), row.begin(), row.end());
  }
  ASSERT_TRUE(WriteNpy(path, rows, row_bytes).ok());
}

std::string CtlTest::WriteIds(const std::vector<uint32_t>& ids) const {
  std::ofstream(Path("ids.u32"), std::ios::binary)
      .write(reinterpret_cast<const char*>(ids.data()),
             static_cast<std::streamsize>(ids.size() * sizeof(uint32_t)));
  return Path("ids.u32");
}

void CtlTest::DamageStoredRow(uint32_t row_id, uint32_t row_bytes) const {
  const auto row = SelfDescribingRow({.layer = 1, .seed = 0}, row_id, row_bytes);
  const std::string bytes(reinterpret_cast<const char*>(row.data()), row.size());
  for (const auto& entry : std::filesystem::recursive_directory_iterator(Path("data"))) {
    if (entry.path().extension() != ".sst") continue;
    const size_t place = ReadFile(entry.path()).find(bytes);
    if (place == std::string::npos) continue;
    std::fstream file(entry.path(), std::ios::binary | std::ios::in | std::ios::out);
    file.seekp(static_cast<std::streamoff>(place));
    file.put(static_cast<char>(bytes[0] ^ 1));
    file.close();
    ASSERT_TRUE(file.good()) << entry.path();
    return;
  }
  FAIL() << "row " << row_id << " is in no file of the daemon";
}

std::string DataPath(const std::string& name) { return std::string(ENGRAM_TEST_DATA) + "/" + name; }

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file.is_open()) << path;
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace engram::ctl
