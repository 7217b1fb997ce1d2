#include "server/engram_service.h"

#include <utility>

#include "absl/time/time.h"
#include "server/proto_conversion.h"
#include "server/status_conversion.h"

namespace engram::server {

grpc::ServerUnaryReactor* EngramService::OpenTable(grpc::CallbackServerContext* context,
                                                   const v1::OpenTableRequest* request,
                                                   v1::OpenTableResponse* response) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  if (handler_->draining()) {
    reactor->Finish(ToGrpcStatus(StoppingError()));
    return reactor;
  }
  const auto table = store_->OpenTable(request->name(), request->version());
  if (!table.ok()) {
    reactor->Finish(ToGrpcStatus(table.status()));
    return reactor;
  }
  const storage::TableSpec& spec = (*table)->spec();
  ToProto((*table)->identity(), response->mutable_identity());
  ToProto(spec, response->mutable_spec());
  response->set_max_fetch_rows(handler_->MaxRows(spec));
  response->set_max_stream_fetches(streams_.max_fetches());
  reactor->Finish(grpc::Status::OK);
  return reactor;
}

grpc::ServerUnaryReactor* EngramService::Fetch(grpc::CallbackServerContext* context,
                                               const grpc::ByteBuffer* request,
                                               grpc::ByteBuffer* response) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  auto parsed = ParseFetchRequest(*request);
  if (!parsed.ok()) {
    reactor->Finish(ToGrpcStatus(parsed.status()));
    return reactor;
  }
  handler_->Start(*std::move(parsed), absl::FromChrono(context->deadline()),
                  [reactor, response](absl::StatusOr<grpc::ByteBuffer> answer) {
                    if (answer.ok()) {
                      response->Swap(&*answer);
                    }
                    reactor->Finish(ToGrpcStatus(answer.status()));
                  });
  return reactor;
}

grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* EngramService::FetchStream(
    grpc::CallbackServerContext* /*context*/) {
  return streams_.Open();
}

}  // namespace engram::server
