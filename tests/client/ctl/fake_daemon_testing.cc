#include "tests/client/ctl/fake_daemon_testing.h"

#include <grpcpp/health_check_service_interface.h>

#include "absl/time/clock.h"

namespace engram::ctl {

FakeDaemon::FakeDaemon() {
  grpc::EnableDefaultHealthCheckService(true);
  grpc::ServerBuilder builder;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port_);
  builder.RegisterService(this);
  server_ = builder.BuildAndStart();
}

FakeDaemon::~FakeDaemon() {
  server_->Shutdown();
  server_->Wait();
}

std::string FakeDaemon::address() const { return "127.0.0.1:" + std::to_string(port_); }

void FakeDaemon::SetServing(bool serving) {
  server_->GetHealthCheckService()->SetServingStatus(serving);
}

grpc::Status FakeDaemon::GetStats(grpc::ServerContext* /*context*/,
                                  const v1::GetStatsRequest* /*request*/,
                                  v1::GetStatsResponse* response) {
  *response = stats;
  return grpc::Status::OK;
}

grpc::Status FakeDaemon::Import(grpc::ServerContext* context, const v1::ImportRequest* request,
                                grpc::ServerWriter<v1::ImportProgress>* writer) {
  import_request = *request;
  for (const v1::ImportProgress& message : import_progress) writer->Write(message);
  return AwaitCancellation(context);
}

grpc::Status FakeDaemon::Rebalance(grpc::ServerContext* context,
                                   const v1::RebalanceRequest* request,
                                   grpc::ServerWriter<v1::RebalanceProgress>* writer) {
  rebalance_request = *request;
  for (const v1::RebalanceProgress& message : rebalance_progress) writer->Write(message);
  const bool done = !rebalance_progress.empty() && rebalance_progress.back().done();
  return done ? grpc::Status::OK : AwaitCancellation(context);
}

grpc::Status FakeDaemon::Verify(grpc::ServerContext* context, const v1::VerifyRequest* request,
                                grpc::ServerWriter<v1::VerifyProgress>* writer) {
  v1::VerifyProgress message;
  message.mutable_table()->set_name(request->name());
  message.set_rows_total(1000);
  message.set_rows_done(250);
  writer->Write(message);
  return AwaitCancellation(context);
}

grpc::Status FakeDaemon::AwaitCancellation(grpc::ServerContext* context) {
  while (!context->IsCancelled()) absl::SleepFor(absl::Milliseconds(1));
  cancelled.Notify();
  return {grpc::StatusCode::CANCELLED, "the caller closed the call"};
}

}  // namespace engram::ctl
