// A daemon whose long calls never end by themselves, for what cannot be timed with a real one.
#ifndef ENGRAM_TESTS_CLIENT_CTL_FAKE_DAEMON_TESTING_H_
#define ENGRAM_TESTS_CLIENT_CTL_FAKE_DAEMON_TESTING_H_

#include <memory>
#include <string>
#include <vector>

#include <grpcpp/grpcpp.h>

#include "absl/synchronization/notification.h"
#include "engram/v1/engram_admin.grpc.pb.h"

namespace engram::ctl {

class FakeDaemon : public v1::EngramAdmin::Service {
 public:
  // Listens on a free port.
  FakeDaemon();
  ~FakeDaemon() override;

  std::string address() const;
  void SetServing(bool serving);

  // What Import sends before it waits for the caller to close the call.
  std::vector<v1::ImportProgress> import_progress;
  // The last request that Import got.
  v1::ImportRequest import_request;
  // Tells that a caller closed the call; there may be one.
  absl::Notification cancelled;

  // What Rebalance sends. It then waits for the caller to close the call, unless the last is done.
  std::vector<v1::RebalanceProgress> rebalance_progress;
  v1::RebalanceRequest rebalance_request;

  // What GetStats answers.
  v1::GetStatsResponse stats;

  grpc::Status GetStats(grpc::ServerContext* context, const v1::GetStatsRequest* request,
                        v1::GetStatsResponse* response) override;
  grpc::Status Import(grpc::ServerContext* context, const v1::ImportRequest* request,
                      grpc::ServerWriter<v1::ImportProgress>* writer) override;
  grpc::Status Rebalance(grpc::ServerContext* context, const v1::RebalanceRequest* request,
                         grpc::ServerWriter<v1::RebalanceProgress>* writer) override;
  grpc::Status Verify(grpc::ServerContext* context, const v1::VerifyRequest* request,
                      grpc::ServerWriter<v1::VerifyProgress>* writer) override;

 private:
  grpc::Status AwaitCancellation(grpc::ServerContext* context);

  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace engram::ctl

#endif  // ENGRAM_TESTS_CLIENT_CTL_FAKE_DAEMON_TESTING_H_
