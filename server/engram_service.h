// The data plane: engram.v1.Engram.
#ifndef ENGRAM_SERVER_ENGRAM_SERVICE_H_
#define ENGRAM_SERVER_ENGRAM_SERVICE_H_

#include <cstdint>

#include <grpcpp/grpcpp.h>

#include "engram/v1/engram.grpc.pb.h"
#include "server/fetch_handler.h"
#include "server/fetch_stream.h"
#include "storage/tiered_store.h"

namespace engram::server {

// Fetches are raw methods: answers are assembled as slices, never as protobuf strings.
using EngramServiceBase =
    v1::Engram::WithRawCallbackMethod_Fetch<v1::Engram::WithRawCallbackMethod_FetchStream<
        v1::Engram::WithCallbackMethod_OpenTable<v1::Engram::Service>>>;

// Thread-safe. Store and handler must outlive it.
class EngramService final : public EngramServiceBase {
 public:
  EngramService(storage::TieredStore* store, FetchHandler* handler, uint32_t max_stream_fetches)
      : store_(store), handler_(handler), streams_(handler, max_stream_fetches) {}

  grpc::ServerUnaryReactor* OpenTable(grpc::CallbackServerContext* context,
                                      const v1::OpenTableRequest* request,
                                      v1::OpenTableResponse* response) override;
  grpc::ServerUnaryReactor* Fetch(grpc::CallbackServerContext* context,
                                  const grpc::ByteBuffer* request,
                                  grpc::ByteBuffer* response) override;
  grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* FetchStream(
      grpc::CallbackServerContext* context) override;

  // Lets open streams answer what they have read, and end.
  void BeginDrain() { streams_.BeginDrain(); }

 private:
  storage::TieredStore* const store_;
  FetchHandler* const handler_;
  FetchStreams streams_;
};

}  // namespace engram::server

#endif  // ENGRAM_SERVER_ENGRAM_SERVICE_H_
