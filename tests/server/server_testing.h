// A daemon of the test's own, in its process, and what asks it.
#ifndef ENGRAM_TESTS_SERVER_SERVER_TESTING_H_
#define ENGRAM_TESTS_SERVER_SERVER_TESTING_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <grpcpp/grpcpp.h>

#include "client/checkpoint/checkpoint_writer.h"
#include "engram/v1/engram.grpc.pb.h"
#include "engram/v1/engram_admin.grpc.pb.h"
#include "gmock/gmock.h"
#include "server/server.h"

namespace engram::server {

inline constexpr char kModel[] = "model";
inline constexpr char kTable[] = "model/layer1";

// An empty directory of the running test.
std::string TestDir(const std::string& name);

// Matches a grpc::Status by its code and parts of its message.
MATCHER_P2(IsStatus, code, part, "") {
  *result_listener << arg.error_code() << ": " << arg.error_message();
  return arg.error_code() == code && arg.error_message().find(part) != std::string::npos;
}

// Serves on a Unix socket, with a small checkpoint of DeepSeek's geometry beside it: two tables of
// self-describing rows, not imported yet.
class ServerTest : public testing::Test {
 protected:
  ServerTest();
  ~ServerTest() override;

  // Starts the daemon; `change` may set options before. Fails the test if it does not start.
  void StartServer(const std::function<void(ServerOptions*)>& change = nullptr);

  // Imports the checkpoint as kModel.
  void ImportModel();

  v1::OpenTableResponse OpenTable(const std::string& name);

  // The whole answer of Fetch; `status` receives what the call returned.
  v1::FetchResponse Fetch(const v1::FetchRequest& request, grpc::Status* status,
                          std::function<void(grpc::ClientContext*)> prepare = nullptr);

  // What kTable counts.
  v1::TableStats StatsOfTable();

  // A fetch of `ids` from kTable, whose identity is asked for first.
  v1::FetchRequest RequestFor(const std::vector<uint32_t>& ids);

  // How many of `rows` are not those of `ids` in kTable; all of them if the size is wrong.
  size_t CountWrongRows(const std::vector<uint32_t>& ids, const std::string& rows) const;

  // `groups` groups of 8 distinct ids each, all in the table, different for each seed.
  std::vector<uint32_t> Ids(size_t groups, uint32_t seed = 0) const;

  const std::string dir_;
  const std::string socket_;  // short, whatever the length of dir_
  CheckpointSummary checkpoint_;
  std::unique_ptr<Server> server_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::Engram::Stub> engram_;
  std::unique_ptr<v1::EngramAdmin::Stub> admin_;
};

}  // namespace engram::server

#endif  // ENGRAM_TESTS_SERVER_SERVER_TESTING_H_
