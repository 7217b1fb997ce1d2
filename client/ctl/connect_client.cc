#include "client/ctl/connect_client.h"

#include "client/ctl/connection.h"

namespace engram::ctl {

absl::StatusOr<std::unique_ptr<Client>> ConnectClient(const std::string& address,
                                                      bool share_memory) {
  // The client library waits for a daemon that is not there yet; people rather know at once.
  Connection connection(address);
  const auto tables = connection.Call(&Connection::Stub::ListTables, v1::ListTablesRequest());
  if (!tables.ok()) return tables.status();
  ClientOptions options{.address = address};
  if (!share_memory) options.shared_memory_bytes = 0;
  return Client::Connect(options);
}

}  // namespace engram::ctl
