#include "client/ctl/connect_client.h"

#include "client/ctl/connection.h"

namespace engram::ctl {

absl::StatusOr<std::unique_ptr<Client>> ConnectClient(const std::string& address) {
  // The client library waits for a daemon that is not there yet; people rather know at once.
  Connection connection(address);
  const auto tables = connection.Call(&Connection::Stub::ListTables, v1::ListTablesRequest());
  if (!tables.ok()) return tables.status();
  return Client::Connect({.address = address});
}

}  // namespace engram::ctl
