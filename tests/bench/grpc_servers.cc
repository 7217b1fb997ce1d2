#include "tests/bench/grpc_servers.h"

#include <malloc.h>
#include <signal.h>

#include <atomic>
#include <cstddef>
#include <cstring>
#include <iostream>
#include <memory>
#include <optional>
#include <vector>

#include <grpc/grpc.h>
#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/grpcpp.h>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "server/flags.h"
#include "server/server.h"
#include "storage/tiered_store_impl.h"
#include "tests/bench/bench_table.h"
#include "tests/bench/stalling_engine.h"

namespace engram::bench {
namespace {

void AwaitTermination() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  int signal = 0;
  sigwait(&signals, &signal);
}

// To be called before any thread is started.
void PrepareServer() {
  TuneMalloc();
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  // Never undone: when its last user goes, gRPC sometimes waits ten seconds for a thread of its own
  // that polls.
  grpc_init();
}

class EchoSource {
 public:
  EchoSource(uint64_t block_bytes, uint64_t answer_bytes, uint32_t row_bytes)
      : block_(block_bytes), answer_bytes_(answer_bytes) {
    for (uint64_t at = 0; at < block_bytes; at += row_bytes) {
      FillRow(static_cast<storage::RowId>(at / row_bytes), {&block_[at], row_bytes});
    }
  }

  grpc::ByteBuffer Next() {
    const uint64_t at = next_.fetch_add(answer_bytes_, std::memory_order_relaxed) % block_.size();
    auto* const bytes = new std::byte[answer_bytes_];
    std::memcpy(bytes, &block_[at], answer_bytes_);
    const grpc::Slice slice(
        bytes, answer_bytes_, [](void* b) { delete[] static_cast<std::byte*>(b); }, bytes);
    return {&slice, 1};
  }

 private:
  std::vector<std::byte> block_;
  const uint64_t answer_bytes_;
  std::atomic<uint64_t> next_{0};
};

class EchoCall final : public grpc::ServerGenericBidiReactor {
 public:
  explicit EchoCall(EchoSource* source) : source_(source) { StartRead(&request_); }

  void OnReadDone(bool ok) override {
    if (!ok) {
      Finish(grpc::Status::OK);
      return;
    }
    answer_ = source_->Next();
    StartWrite(&answer_);
  }
  void OnWriteDone(bool ok) override {
    if (!ok) {
      Finish(grpc::Status::CANCELLED);
      return;
    }
    answer_.Clear();
    StartRead(&request_);
  }
  void OnDone() override { delete this; }

 private:
  EchoSource* const source_;
  grpc::ByteBuffer request_;
  grpc::ByteBuffer answer_;
};

class EchoService final : public grpc::CallbackGenericService {
 public:
  explicit EchoService(EchoSource* source) : source_(source) {}
  grpc::ServerGenericBidiReactor* CreateReactor(
      grpc::GenericCallbackServerContext* /*context*/) override {
    return new EchoCall(source_);
  }

 private:
  EchoSource* const source_;
};

}  // namespace

void TuneMalloc() {
  mallopt(M_MMAP_THRESHOLD, 256 << 20);
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
}

absl::Status ServeTables(int argc, const char* const* argv) {
  std::vector<const char*> args(argv, argv + argc);
  const std::optional<DeviceStalls> stalls = TakeStallFlag(&args);
  const auto flags = server::ParseFlags(static_cast<int>(args.size()), args.data(), std::cerr);
  if (!flags.ok() || !flags->has_value()) return flags.status();
  PrepareServer();
  const server::ServerOptions& options = (*flags)->server;
  auto engine = storage::NewReadEngine(options.store.read_engine);
  if (!engine.ok()) return engine.status();
  if (stalls.has_value()) engine = NewStallingEngine(*std::move(engine), *stalls);
  auto store = storage::TieredStoreImpl::OpenWith(options.store, *std::move(engine),
                                                  storage::DatabaseConfig());
  if (!store.ok()) return store.status();
  const auto server = server::Server::Start(options, *std::move(store));
  if (server.ok()) {
    AwaitTermination();
    (*server)->Stop(absl::Seconds(1));
  }
  return server.status();
}

absl::Status ServeEcho(uint64_t block_bytes, uint64_t answer_bytes, uint32_t row_bytes,
                       const std::string& socket) {
  PrepareServer();
  EchoSource source(block_bytes, answer_bytes, row_bytes);
  EchoService service(&source);
  grpc::ServerBuilder builder;
  builder.SetMaxReceiveMessageSize(-1);
  builder.SetMaxSendMessageSize(-1);
  builder.RegisterCallbackGenericService(&service);
  builder.AddListeningPort(absl::StrCat("unix:", socket), grpc::InsecureServerCredentials());
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (server == nullptr) {
    return absl::UnavailableError(absl::StrCat("cannot listen on ", socket));
  }
  AwaitTermination();
  server->Shutdown();
  return absl::OkStatus();
}

}  // namespace engram::bench
