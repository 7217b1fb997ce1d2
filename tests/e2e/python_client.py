#!/usr/bin/python3
"""A client of engramd that was made from the .proto files alone, in another language.

Generates Python stubs with protoc and grpc_python_plugin, imports a checkpoint that
independent_checkpoint.py wrote, and compares every byte of every row with the checkpoint's tensors,
through Fetch and through FetchStream. Then asks for what must be refused, and checks the codes and
what the messages name.

  python_client.py --address unix:/run/engramd/engramd.sock --proto-dir proto --checkpoint DIR

Needs Debian's python3-grpcio, python3-protobuf, protobuf-compiler and protobuf-compiler-grpc, and
/usr/bin/python3. The daemon must be able to read DIR, and must not hold the table yet.
"""

import argparse
import importlib
import os
import random
import shutil
import subprocess
import sys
import tempfile
import types

import grpc

sys.dont_write_bytecode = True
import independent_checkpoint as checkpoint  # noqa: E402

ROW_BYTES = checkpoint.VALUES + checkpoint.SCALES
TABLE = "independent"
GROUP = checkpoint.HEADS
GROUPS_A_BATCH = 64
CONNECT_SECONDS = 20


def generate_stubs(proto_dir, out_dir):
    """Returns the four generated modules: engram, admin, and their gRPC halves."""
    plugin = shutil.which("grpc_python_plugin")
    if plugin is None:
        sys.exit("python_client.py: grpc_python_plugin is missing (protobuf-compiler-grpc)")
    protos = [os.path.join(proto_dir, "engram/v1", name)
              for name in ("engram.proto", "engram_placement.proto", "engram_admin.proto")]
    subprocess.run(["protoc", f"--proto_path={proto_dir}", f"--python_out={out_dir}",
                    f"--grpc_python_out={out_dir}", f"--plugin=protoc-gen-grpc_python={plugin}",
                    *protos], check=True)
    sys.path.insert(0, out_dir)
    names = {"pb": "engram_pb2", "rpc": "engram_pb2_grpc", "admin_pb": "engram_admin_pb2",
             "admin_rpc": "engram_admin_pb2_grpc"}
    return types.SimpleNamespace(
        **{key: importlib.import_module("engram.v1." + name) for key, name in names.items()})


def expect(condition, message):
    if not condition:
        raise AssertionError(message)


def expect_refused(call, code, *parts):
    """The call fails with this code, and its message names each of the parts."""
    try:
        call()
    except grpc.RpcError as error:
        details = error.details() or ""
        expect(error.code() == code, f"expected {code}, got {error.code()}: {details}")
        for part in parts:
            expect(str(part) in details, f"'{details}' does not name {part!r}")
        print(f"  refused, {code.name}: {details}")
        return
    raise AssertionError(f"expected {code}, but the call succeeded")


def packed_rows(directory, layer):
    """The layer's rows as engramd packs them: 256 values, then 8 scales."""
    prefix = f"layers.{layer}.engram.embed."
    _, (rows, _), weight = checkpoint.read_tensor(directory, prefix + "weight")
    _, _, scale = checkpoint.read_tensor(directory, prefix + "scale")
    values, scales = checkpoint.VALUES, checkpoint.SCALES
    return [weight[i * values:(i + 1) * values] + scale[i * scales:(i + 1) * scales]
            for i in range(rows)]


def batches(rows, seed):
    """Every row id once, in random order and whole groups; row 0 fills up the last group."""
    ids = list(range(rows))
    random.Random(seed).shuffle(ids)
    ids += [0] * (-rows % GROUP)
    size = GROUPS_A_BATCH * GROUP
    return [ids[i:i + size] for i in range(0, len(ids), size)]


class Session:
    """The stubs, connected to one daemon."""

    def __init__(self, address, stubs):
        self.stubs = stubs
        self.channel = grpc.insecure_channel(
            address, options=[("grpc.max_receive_message_length", 64 << 20)])
        grpc.channel_ready_future(self.channel).result(timeout=CONNECT_SECONDS)
        self.engram = stubs.rpc.EngramStub(self.channel)
        self.admin = stubs.admin_rpc.EngramAdminStub(self.channel)

    def open_table(self, name, version=0):
        return self.engram.OpenTable(self.stubs.pb.OpenTableRequest(name=name, version=version))

    def request(self, identity, ids, **fields):
        return self.stubs.pb.FetchRequest(table=identity, row_ids=ids, **fields)

    def fetch(self, identity, ids, **fields):
        return self.engram.Fetch(self.request(identity, ids, **fields))


def import_checkpoint(session, directory, counts):
    request = session.stubs.admin_pb.ImportRequest(path=os.path.abspath(directory), name=TABLE)
    imported = {}
    for progress in session.admin.Import(request):
        expect(progress.rows_done <= progress.rows_total, f"progress beyond the end: {progress}")
        if progress.HasField("imported"):
            imported[progress.imported.identity.name] = progress.imported
    names = [f"{TABLE}/layer{layer}" for layer in checkpoint.LAYERS]
    expect(sorted(imported) == sorted(names), f"imported {sorted(imported)}, not {names}")
    for name, rows in zip(names, counts):
        info = imported[name]
        expect(info.spec.rows == rows, f"{name} has {info.spec.rows} rows, not {rows}")
        expect(info.published, f"{name} is not published")
    listed = session.admin.ListTables(session.stubs.admin_pb.ListTablesRequest()).tables
    expect({t.identity.name for t in listed} >= set(names), "ListTables misses an imported table")


def check_spec(session, opened):
    pb, spec = session.stubs.pb, opened.spec
    expect(spec.row_bytes == ROW_BYTES, f"row_bytes is {spec.row_bytes}")
    expect(spec.value_format == pb.VALUE_FORMAT_FP8_E4M3_E8M0, f"format is {spec.value_format}")
    expect((spec.values_per_row, spec.scale_block) == (256, 32), f"values and block: {spec}")
    expect(spec.group_size == GROUP, f"group_size is {spec.group_size}")
    expect(list(spec.orders) == [2, 3, 4], f"orders are {list(spec.orders)}")
    expect(len(opened.identity.digest) == 16, "the digest has not 16 bytes")
    expect(opened.identity.version == 1, f"version is {opened.identity.version}")


def check_rows(expected, ids, response):
    expect(len(response.rows) == len(ids) * ROW_BYTES,
           f"{len(response.rows)} bytes came for {len(ids)} rows")
    for index, row_id in enumerate(ids):
        row = response.rows[index * ROW_BYTES:(index + 1) * ROW_BYTES]
        expect(row == expected[row_id], f"row {row_id} (index {index}) differs")


def compare_by_fetch(session, opened, expected):
    for ids in batches(len(expected), seed=1):
        response = session.fetch(opened.identity, ids, report_tiers=True)
        check_rows(expected, ids, response)
        expect(len(response.tiers) == len(ids) // GROUP, f"{len(response.tiers)} tiers")
        expect(set(response.tiers) <= {1, 2, 3}, f"unknown tier in {set(response.tiers)}")


def compare_by_stream(session, opened, expected):
    """All batches in one stream; answers may come in any order, each once."""
    waiting = {ticket: ids for ticket, ids in enumerate(batches(len(expected), seed=2), start=1)}
    # One that fails in between must not disturb the others.
    bad_ticket = len(waiting) + 1
    requests = [session.request(opened.identity, ids, ticket=t) for t, ids in waiting.items()]
    bad_ids = [len(expected)] + [0] * (GROUP - 1)
    bad_request = session.request(opened.identity, bad_ids, ticket=bad_ticket)
    requests.insert(len(requests) // 2, bad_request)
    refused = False
    for response in session.engram.FetchStream(iter(requests)):
        if response.ticket == bad_ticket:
            expect(response.error.code == grpc.StatusCode.OUT_OF_RANGE.value[0],
                   f"the bad fetch was answered with {response.error}")
            expect(not response.rows, "an error came with rows")
            refused = True
            continue
        expect(not response.HasField("error"), f"ticket {response.ticket}: {response.error}")
        check_rows(expected, waiting.pop(response.ticket), response)
    expect(not waiting, f"no answer for the tickets {sorted(waiting)}")
    expect(refused, "no answer for the bad fetch")


def check_refusals(session, opened):
    code = grpc.StatusCode
    pb, rows, identity = session.stubs.pb, opened.spec.rows, opened.identity
    good = list(range(GROUP))
    ask = session.fetch
    expect_refused(lambda: session.open_table("nosuch/table"), code.NOT_FOUND, "nosuch/table")
    expect_refused(lambda: session.open_table(identity.name, 99), code.NOT_FOUND, identity.name, 99)
    other = pb.TableIdentity(name="nosuch/table", version=1)
    expect_refused(lambda: ask(other, good), code.NOT_FOUND, "nosuch/table")
    wrong = pb.TableIdentity(name=identity.name, version=1, digest=bytes(16))
    expect_refused(lambda: ask(wrong, good), code.FAILED_PRECONDITION, identity.name)
    expect_refused(lambda: ask(identity, []), code.INVALID_ARGUMENT)
    expect_refused(lambda: ask(identity, good[:-1]), code.INVALID_ARGUMENT, GROUP - 1, GROUP)
    ids = good + [7, rows, rows + 5] + good[:5]
    expect_refused(lambda: ask(identity, ids), code.OUT_OF_RANGE, rows, GROUP + 1)
    groups = opened.max_fetch_rows // GROUP + 1
    expect_refused(lambda: ask(identity, good * groups), code.RESOURCE_EXHAUSTED,
                   opened.max_fetch_rows)
    raw = session.channel.unary_unary("/engram.v1.Engram/Fetch")
    expect_refused(lambda: raw(b"\xff\xff\xff"), code.INVALID_ARGUMENT)
    missing = session.stubs.admin_pb.ImportRequest(path="/nonexistent/checkpoint", name="missing")
    expect_refused(lambda: list(session.admin.Import(missing)), code.NOT_FOUND,
                   "/nonexistent/checkpoint")
    # An empty digest leaves name and version to decide; and refusals have hurt nobody.
    bare = pb.TableIdentity(name=identity.name, version=1)
    expect(len(ask(bare, good).rows) == GROUP * ROW_BYTES, "a fetch without a digest failed")


def check_drop(session, opened):
    """Drops the table while it is open here: later fetches are refused."""
    admin_pb, name = session.stubs.admin_pb, opened.identity.name
    dropped = session.admin.Drop(admin_pb.DropRequest(name=name)).dropped
    expect([d.version for d in dropped] == [1], f"dropped {dropped}")
    expect_refused(lambda: session.fetch(opened.identity, list(range(GROUP))),
                   grpc.StatusCode.NOT_FOUND, name)


def run(session, directory):
    rows_by_layer = {layer: packed_rows(directory, layer) for layer in checkpoint.LAYERS}
    import_checkpoint(session, directory, [len(rows) for rows in rows_by_layer.values()])
    opened = None
    for layer, expected in rows_by_layer.items():
        opened = session.open_table(f"{TABLE}/layer{layer}")
        check_spec(session, opened)
        compare_by_fetch(session, opened, expected)
        compare_by_stream(session, opened, expected)
        print(f"{opened.identity.name}: all {len(expected)} rows are bit for bit the checkpoint's")
    check_refusals(session, opened)
    verify = session.stubs.admin_pb.VerifyRequest(name=opened.identity.name)
    expect(list(session.admin.Verify(verify))[-1].done, "verify did not say that it is done")
    check_drop(session, opened)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--address", required=True, help="unix:PATH or HOST:PORT")
    parser.add_argument("--proto-dir", required=True, help="the directory that holds engram/v1")
    parser.add_argument("--checkpoint", required=True, help="from independent_checkpoint.py")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as stubs_dir:
        session = Session(args.address, generate_stubs(args.proto_dir, stubs_dir))
        run(session, args.checkpoint)
    print("OK")


if __name__ == "__main__":
    main()
