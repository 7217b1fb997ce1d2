// The control plane: engram.v1.EngramAdmin.
#ifndef ENGRAM_SERVER_ADMIN_SERVICE_H_
#define ENGRAM_SERVER_ADMIN_SERVICE_H_

#include <array>
#include <functional>
#include <memory>
#include <utility>

#include <grpcpp/grpcpp.h>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "engram/v1/engram_admin.grpc.pb.h"
#include "server/in_flight_limit.h"
#include "server/shm/attachments.h"
#include "server/task_stream.h"
#include "storage/tiered_store.h"

namespace engram::server {

// Thread-safe. The store and the attachments must outlive it.
class AdminService final : public v1::EngramAdmin::CallbackService {
 public:
  AdminService(storage::TieredStore* store, std::shared_ptr<InFlightLimit> in_flight,
               const Attachments* attachments)
      : store_(store), in_flight_(std::move(in_flight)), attachments_(attachments) {}

  grpc::ServerUnaryReactor* ListTables(grpc::CallbackServerContext* context,
                                       const v1::ListTablesRequest* request,
                                       v1::ListTablesResponse* response) override;
  grpc::ServerWriteReactor<v1::ImportProgress>* Import(grpc::CallbackServerContext* context,
                                                       const v1::ImportRequest* request) override;
  grpc::ServerUnaryReactor* Publish(grpc::CallbackServerContext* context,
                                    const v1::PublishRequest* request,
                                    v1::PublishResponse* response) override;
  grpc::ServerUnaryReactor* Drop(grpc::CallbackServerContext* context,
                                 const v1::DropRequest* request,
                                 v1::DropResponse* response) override;
  grpc::ServerUnaryReactor* GetStats(grpc::CallbackServerContext* context,
                                     const v1::GetStatsRequest* request,
                                     v1::GetStatsResponse* response) override;
  grpc::ServerWriteReactor<v1::VerifyProgress>* Verify(grpc::CallbackServerContext* context,
                                                       const v1::VerifyRequest* request) override;

  grpc::ServerWriteReactor<v1::RebalanceProgress>* Rebalance(
      grpc::CallbackServerContext* context, const v1::RebalanceRequest* request) override;

  grpc::ServerBidiReactor<v1::WarmUpRequest, v1::WarmUpProgress>* WarmUp(
      grpc::CallbackServerContext* context) override;

  grpc::ServerBidiReactor<v1::PinRequest, v1::PinProgress>* Pin(
      grpc::CallbackServerContext* context) override;

  grpc::ServerBidiReactor<v1::PinRequest, v1::PinProgress>* Unpin(
      grpc::CallbackServerContext* context) override;

  // Stops imports, verifications, rebalancings, warm-ups and pins, which then end with UNAVAILABLE.
  // Refuses new ones, and changes of tables.
  void BeginDrain();

  // Returns when none of these runs any more.
  void AwaitTasks();

 private:
  std::array<Tasks*, 6> AllTasks() {
    return {&imports_, &verifications_, &rebalancings_, &warm_ups_, &pins_, &changes_};
  }
  // Changes of tables wait for the disk.
  grpc::ServerUnaryReactor* RunChange(grpc::CallbackServerContext* context,
                                      std::function<absl::Status()> change);

  storage::TieredStore* const store_;
  const std::shared_ptr<InFlightLimit> in_flight_;
  const Attachments* const attachments_;
  const absl::Time started_ = absl::Now();
  // An import takes up to 512 MiB of memory.
  Tasks imports_{"imports", 2};
  Tasks verifications_{"verifications", 4};
  Tasks rebalancings_{"rebalancings", 4};
  Tasks warm_ups_{"warm-ups", 4};
  Tasks pins_{"changes of pins", 4};
  Tasks changes_{"changes of tables", 32};
};

}  // namespace engram::server

#endif  // ENGRAM_SERVER_ADMIN_SERVICE_H_
