#include <google/protobuf/wrappers.pb.h>
#include <grpcpp/generic/generic_stub.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/notification.h"
#include "client/ctl/commands.h"
#include "client/ctl/connection.h"
#include "client/ctl/json_output.h"

namespace engram::ctl {
namespace {

constexpr char kCheckMethod[] = "/grpc.health.v1.Health/Check";

// The names of grpc.health.v1.HealthCheckResponse.ServingStatus.
absl::string_view ServingStatusName(int status) {
  switch (status) {
    case 1:
      return "SERVING";
    case 2:
      return "NOT_SERVING";
    case 3:
      return "SERVICE_UNKNOWN";
    default:
      return "UNKNOWN";
  }
}

// Calls the standard health check of gRPC for the whole daemon. Debian has no header of its
// messages, but they are encoded as these: one string, the service's name, and one number.
absl::StatusOr<absl::string_view> CheckHealth(const Connection& connection) {
  using google::protobuf::Int32Value;
  using google::protobuf::StringValue;
  grpc::TemplatedGenericStub<StringValue, Int32Value> stub(connection.channel());
  grpc::ClientContext context;
  Connection::SetDeadline(&context);
  const StringValue service;
  Int32Value serving;
  grpc::Status outcome;
  absl::Notification done;
  stub.UnaryCall(&context, kCheckMethod, {}, &service, &serving, [&](grpc::Status status) {
    outcome = std::move(status);
    done.Notify();
  });
  done.WaitForNotification();
  if (!outcome.ok()) return connection.ToStatus(outcome);
  return ServingStatusName(serving.value());
}

absl::Status RunHealth(const CommandContext& context) {
  const Connection connection(context.address);
  const absl::StatusOr<absl::string_view> serving = CheckHealth(connection);
  if (!serving.ok()) return serving.status();
  if (context.json) {
    PrintJson({{"status", *serving}}, context.console.out);
  } else {
    context.console.out << *serving << "\n";
  }
  if (*serving == "SERVING") return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("the daemon at ", context.address, " says it is ", *serving));
}

}  // namespace

void AddHealthCommand(CommandLine& line) {
  line.AddCommand({.name = "health",
                   .summary = "Ask whether the daemon serves; exit code 0 only if it does",
                   .example = "engramctl health --address 127.0.0.1:7411"},
                  RunHealth);
}

}  // namespace engram::ctl
