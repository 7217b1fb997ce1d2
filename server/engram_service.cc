#include "server/engram_service.h"

#include <atomic>
#include <memory>
#include <utility>

#include "absl/time/time.h"
#include "server/proto_conversion.h"
#include "server/status_conversion.h"

namespace engram::server {
namespace {

// A fetch whose caller may hang up.
class UnaryFetch final : public grpc::ServerUnaryReactor {
 public:
  void Start(FetchHandler* handler, const grpc::ByteBuffer& request, absl::Time deadline,
             grpc::ByteBuffer* response) {
    auto parsed = ParseFetchRequest(request);
    if (!parsed.ok()) {
      Finish(ToGrpcStatus(parsed.status()));
      return;
    }
    handler->Start(*std::move(parsed), deadline, cancelled_,
                   [this, response](absl::StatusOr<grpc::ByteBuffer> answer) {
                     if (answer.ok()) {
                       response->Swap(&*answer);
                     }
                     Finish(ToGrpcStatus(answer.status()));
                   });
  }

  void OnCancel() override { cancelled_->store(1, std::memory_order_relaxed); }
  void OnDone() override { delete this; }

 private:
  const std::shared_ptr<storage::CancelFlag> cancelled_ = std::make_shared<storage::CancelFlag>(0);
};

// gRPC's word for none is the last time that its clock can say.
absl::Time DeadlineOf(const grpc::CallbackServerContext& context) {
  const auto deadline = context.deadline();
  return deadline == decltype(deadline)::max() ? absl::InfiniteFuture()
                                               : absl::FromChrono(deadline);
}

}  // namespace

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
  auto* const fetch = new UnaryFetch;
  fetch->Start(handler_, *request, DeadlineOf(*context), response);
  return fetch;
}

grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* EngramService::FetchStream(
    grpc::CallbackServerContext* /*context*/) {
  return streams_.Open();
}

}  // namespace engram::server
