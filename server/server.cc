#include "server/server.h"

#include <string>
#include <utility>
#include <vector>

#include <grpc/grpc.h>
#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/impl/server_builder_option.h>
#include <grpcpp/impl/server_builder_plugin.h>
#include <grpcpp/server_posix.h>

#include "absl/base/call_once.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "server/acceptor.h"
#include "server/admin_service.h"
#include "server/engram_service.h"
#include "server/fetch_handler.h"
#include "server/in_flight_limit.h"
#include "server/listening_socket.h"
#include "server/shm/attachments.h"
#include "spdlog/spdlog.h"

namespace engram::server {
namespace {

// A client that is gone or stopped holds its answers' memory until its connection is closed.
constexpr absl::Duration kKeepaliveTime = absl::Seconds(20);
constexpr absl::Duration kKeepaliveTimeout = absl::Seconds(10);
// Clients may ask as often as this whether the daemon lives.
constexpr absl::Duration kMinPingInterval = absl::Seconds(5);
constexpr int kMaxStreamsPerConnection = 128;
constexpr int kMaxMetadataBytes = 16 << 10;
// Of a request's message, beside the row ids: the table's identity and the framing.
constexpr uint64_t kRequestOverheadBytes = 1024;

absl::Status CheckRange(absl::string_view name, uint64_t value, uint64_t min, uint64_t max) {
  if (value >= min && value <= max) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      absl::StrCat(name, " is ", value, ", and must be ", min, " to ", max));
}

absl::Status CheckOptions(const ServerOptions& options) {
  constexpr uint64_t kMaxMessage = uint64_t{1} << 30;  // gRPC and protobuf end at 2 GiB
  constexpr uint64_t kMinMessage = uint64_t{64} << 10;
  absl::Status status =
      CheckRange("max_answer_bytes", options.max_answer_bytes, storage::kMaxRowBytes, kMaxMessage);
  status.Update(
      CheckRange("max_request_bytes", options.max_request_bytes, kMinMessage, kMaxMessage));
  // At least the largest fetch.
  const uint64_t most_rows = options.max_request_bytes / sizeof(storage::RowId);
  status.Update(CheckRange("max_in_flight_bytes", options.max_in_flight_bytes,
                           options.max_answer_bytes + most_rows * kFetchOverheadPerRow,
                           uint64_t{1} << 50));
  status.Update(CheckRange("max_stream_fetches", options.max_stream_fetches, 1, 4096));
  if (options.unix_socket.empty() && options.tcp_address.empty()) {
    status.Update(absl::InvalidArgumentError("neither a Unix socket nor a TCP address is given"));
  }
  if (!options.tcp_address.empty()) {
    status.Update(CheckLoopback(options.tcp_address));
  }
  if (!options.unix_socket.empty()) {
    status.Update(CheckUnixSocket(options.unix_socket));
  }
  return status;
}

// The library of the reflection service adds it to every server of a process that is linked with
// it.
class WithoutReflection final : public grpc::ServerBuilderOption {
 public:
  void UpdateArguments(grpc::ChannelArguments* /*arguments*/) override {}
  void UpdatePlugins(std::vector<std::unique_ptr<grpc::ServerBuilderPlugin>>* plugins) override {
    std::erase_if(*plugins,
                  [](const auto& plugin) { return plugin->name() == "proto_server_reflection"; });
  }
};

class ServerImpl final : public Server {
 public:
  explicit ServerImpl(const ServerOptions& options) : options_(options) {}

  ~ServerImpl() override { Stop(absl::ZeroDuration()); }

  absl::Status Init(std::unique_ptr<storage::TieredStore> store) {
    store_ = std::move(store);
    LogStore();
    in_flight_ = std::make_shared<InFlightLimit>(options_.max_in_flight_bytes);
    const FetchLimits limits = {
        .rows = (options_.max_request_bytes - kRequestOverheadBytes) / sizeof(storage::RowId),
        .answer_bytes = options_.max_answer_bytes};
    fetch_handler_ = std::make_unique<FetchHandler>(store_.get(), in_flight_, limits);
    engram_ = std::make_unique<EngramService>(store_.get(), fetch_handler_.get(),
                                              options_.max_stream_fetches);
    attachments_ = std::make_unique<Attachments>(
        fetch_handler_.get(), AttachmentLimits{.bytes = options_.max_shared_bytes});
    admin_ = std::make_unique<AdminService>(store_.get(), in_flight_, attachments_.get());
    auto sockets = Listen();
    if (!sockets.ok()) {
      return sockets.status();
    }
    if (absl::Status status = StartGrpc(); !status.ok()) {
      return status;
    }
    return Accept(*std::move(sockets));
  }

  int tcp_port() const override { return tcp_port_; }

  void Stop(absl::Duration grace) override {
    absl::call_once(stopped_, [&] {
      if (grpc_ == nullptr) {
        return;
      }
      const absl::Time deadline = absl::Now() + grace;
      grpc_->GetHealthCheckService()->SetServingStatus(false);
      fetch_handler_->BeginDrain();
      engram_->BeginDrain();
      admin_->BeginDrain();
      // From Shutdown on gRPC resets new calls, which their callers see as CANCELLED. Until the
      // last answer is out they are better told what is going on.
      in_flight_->AwaitIdle(grace);
      acceptor_.reset();
      attachments_->Stop();
      grpc_->Shutdown(absl::ToChronoTime(deadline));
      admin_->AwaitTasks();
    });
  }

 private:
  void LogStore() const {
    const storage::StoreStats stats = store_->Stats();
    spdlog::info("data directory {}: {} table versions", options_.store.data_dir,
                 stats.tables.size());
    for (const storage::TableStats& table : stats.tables) {
      spdlog::info("table {} v{}: {} rows of {} bytes, groups of {}{}", table.identity.name,
                   table.identity.version, table.spec.rows, table.spec.row_bytes,
                   table.spec.group_size, table.published ? "" : ", not published");
    }
    spdlog::info("RAM budget {:.1f} MiB", static_cast<double>(stats.ram_budget_bytes) / (1 << 20));
    if (stats.warm_budget_bytes > 0) {
      spdlog::info("warm tier budget {:.1f} MiB of disk",
                   static_cast<double>(stats.warm_budget_bytes) / (1 << 20));
    }
    spdlog::info("reads by {}, {} threads, {}", stats.read_engine, options_.store.io_threads,
                 options_.store.read_engine.direct_io ? "direct" : "through the page cache");
  }

  absl::StatusOr<std::vector<ListeningSocket>> Listen() {
    std::vector<ListeningSocket> sockets;
    if (!options_.unix_socket.empty()) {
      auto socket = ListeningSocket::Unix(options_.unix_socket, options_.unix_socket_mode);
      if (!socket.ok()) {
        return socket.status();
      }
      sockets.push_back(*std::move(socket));
    }
    if (!options_.tcp_address.empty()) {
      auto socket = ListeningSocket::Tcp(options_.tcp_address);
      if (!socket.ok()) {
        return socket.status();
      }
      tcp_port_ = socket->tcp_port();
      sockets.push_back(*std::move(socket));
    }
    return sockets;
  }

  // A server without listeners of its own.
  absl::Status StartGrpc() {
    grpc::EnableDefaultHealthCheckService(true);
    grpc::reflection::InitProtoReflectionServerBuilderPlugin();
    grpc::ServerBuilder builder;
    if (!options_.reflection) {
      builder.SetOption(std::make_unique<WithoutReflection>());
    }
    builder.SetMaxReceiveMessageSize(static_cast<int>(options_.max_request_bytes));
    builder.SetMaxSendMessageSize(-1);  // answers have their own limit
    builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, kMaxStreamsPerConnection);
    builder.AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE, kMaxMetadataBytes);
    const auto add_millis = [&builder](const char* name, absl::Duration duration) {
      builder.AddChannelArgument(name, static_cast<int>(absl::ToInt64Milliseconds(duration)));
    };
    add_millis(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveTime);
    add_millis(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kKeepaliveTimeout);
    add_millis(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, kMinPingInterval);
    builder.RegisterService(engram_.get());
    builder.RegisterService(admin_.get());
    grpc_ = builder.BuildAndStart();
    if (grpc_ == nullptr) {
      return absl::InternalError("gRPC does not start");
    }
    grpc::HealthCheckServiceInterface* const health = grpc_->GetHealthCheckService();
    for (const char* service :
         {v1::Engram::service_full_name(), v1::EngramAdmin::service_full_name()}) {
      health->SetServingStatus(service, true);
    }
    return absl::OkStatus();
  }

  absl::Status Accept(std::vector<ListeningSocket> sockets) {
    auto acceptor =
        Acceptor::Start(std::move(sockets), [this](UniqueFd connection, char first_byte) {
          if (first_byte == shm::kMagic[0]) {
            attachments_->Attach(std::move(connection));
          } else {
            grpc::AddInsecureChannelFromFd(grpc_.get(), connection.Release());
          }
        });
    if (!acceptor.ok()) {
      return acceptor.status();
    }
    acceptor_ = *std::move(acceptor);
    if (!options_.unix_socket.empty()) {
      spdlog::info("listening on unix:{}, mode {:04o}", options_.unix_socket,
                   options_.unix_socket_mode);
    }
    if (!options_.tcp_address.empty()) {
      spdlog::info("listening on {}, port {}", options_.tcp_address, tcp_port_);
    }
    return absl::OkStatus();
  }

  const ServerOptions options_;
  absl::once_flag stopped_;
  int tcp_port_ = 0;  // constant after Init

  // Each uses those before it.
  std::unique_ptr<storage::TieredStore> store_;
  std::shared_ptr<InFlightLimit> in_flight_;
  std::unique_ptr<FetchHandler> fetch_handler_;
  std::unique_ptr<EngramService> engram_;
  std::unique_ptr<Attachments> attachments_;
  std::unique_ptr<AdminService> admin_;
  std::unique_ptr<grpc::Server> grpc_;
  std::unique_ptr<Acceptor> acceptor_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Server>> Server::Start(const ServerOptions& options) {
  if (absl::Status status = CheckOptions(options); !status.ok()) {
    return status;
  }
  auto store = storage::TieredStore::Open(options.store);
  if (!store.ok()) {
    return store.status();
  }
  return Start(options, *std::move(store));
}

absl::StatusOr<std::unique_ptr<Server>> Server::Start(const ServerOptions& options,
                                                      std::unique_ptr<storage::TieredStore> store) {
  // Whoever ends gRPC's last object waits up to ten seconds for one of its threads. So gRPC stays.
  [[maybe_unused]] static const bool grpc_kept = (grpc_init(), true);
  if (absl::Status status = CheckOptions(options); !status.ok()) {
    return status;
  }
  auto server = std::make_unique<ServerImpl>(options);
  if (absl::Status status = server->Init(std::move(store)); !status.ok()) {
    return status;
  }
  return server;
}

}  // namespace engram::server
