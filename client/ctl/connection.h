// The connection to a daemon's control plane.
#ifndef ENGRAM_CLIENT_CTL_CONNECTION_H_
#define ENGRAM_CLIENT_CTL_CONNECTION_H_

#include <memory>
#include <string>

#include <grpcpp/grpcpp.h>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "client/ctl/interrupt.h"
#include "engram/v1/engram_admin.grpc.pb.h"

namespace engram::ctl {

// Connects at its first call, and fails that at once if nobody listens.
class Connection {
 public:
  using Stub = v1::EngramAdmin::StubInterface;

  explicit Connection(std::string address);

  const std::shared_ptr<grpc::Channel>& channel() const { return channel_; }

  // For rpcs with messages both ways.
  Stub& stub() { return *stub_; }

  // Calls an rpc with one answer.
  //   UNAVAILABLE  no daemon answers there; other errors are the rpc's
  template <typename Request, typename Response>
  absl::StatusOr<Response> Call(grpc::Status (Stub::*rpc)(grpc::ClientContext*, const Request&,
                                                          Response*),
                                const Request& request) {
    grpc::ClientContext context;
    SetDeadline(&context);
    Response response;
    const absl::Status status = ToStatus((stub_.get()->*rpc)(&context, request, &response));
    if (!status.ok()) return status;
    return response;
  }

  // Calls an rpc with a stream of answers, each of which `on_message` gets. SIGINT and SIGTERM
  // close the call.
  //   CANCELLED    a signal came
  //   UNAVAILABLE  as Call
  template <typename Request, typename Message>
  absl::Status Stream(std::unique_ptr<grpc::ClientReaderInterface<Message>> (Stub::*rpc)(
                          grpc::ClientContext*, const Request&),
                      const Request& request, absl::FunctionRef<void(const Message&)> on_message) {
    grpc::ClientContext context;
    const Interrupt interrupt([&context] { context.TryCancel(); });
    const auto reader = (stub_.get()->*rpc)(&context, request);
    Message message;
    while (reader->Read(&message)) on_message(message);
    return ToStatus(reader->Finish());
  }

  // The outcome of a call on channel().
  absl::Status ToStatus(const grpc::Status& status) const;

  // Limits a call that is answered at once.
  static void SetDeadline(grpc::ClientContext* context);

 private:
  const std::string address_;
  const std::shared_ptr<grpc::Channel> channel_;
  const std::unique_ptr<Stub> stub_;
};

}  // namespace engram::ctl

#endif  // ENGRAM_CLIENT_CTL_CONNECTION_H_
