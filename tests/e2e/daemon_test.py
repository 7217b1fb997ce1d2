#!/usr/bin/python3
"""The life of a daemon, from outside: start, log, crash in the middle of an import, restart, stop.

  daemon_test.py BIN_DIR
"""

import json
import os
import re
import signal
import subprocess
import sys
import time

from daemon import Daemon

MODEL = "model"
DATA = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "data")


def expect(condition, message):
    if not condition:
        raise AssertionError(message)


def make_checkpoint(daemon, name, *flags):
    path = os.path.join(daemon.dir, name)
    daemon.ctl("make-checkpoint", path, *flags)
    return path


def table_names(daemon):
    return [t["name"] for t in json.loads(daemon.ctl("tables", "--json").stdout)["tables"]]


def test_log_tells_what_operators_need(daemon):
    log = daemon.log()
    for fact in ("engramd", "data directory", "RAM budget", "reads by", "listening on unix:",
                 "ready after"):
        expect(fact in log, f"the log lacks '{fact}':\n{log}")


def test_import_survives_restart(daemon):
    checkpoint = make_checkpoint(daemon, "small", "--vocab-size", "500")
    daemon.ctl("import", checkpoint, MODEL)
    expect(daemon.stop() == 0, "a stopped daemon ends with 0")
    expect(not os.path.exists(daemon.socket), "a stopped daemon removes its socket")
    daemon.start()
    expect(table_names(daemon) == ["model/layer1", "model/layer14"], table_names(daemon))
    for name in table_names(daemon):
        daemon.ctl("verify", name)


def wait_for_log(daemon, text):
    deadline = time.monotonic() + 60
    while text not in daemon.log()[daemon.log_mark:]:
        expect(time.monotonic() < deadline, f"no '{text}' in the log:\n{daemon.log()}")
        time.sleep(0.005)


def test_killed_import_leaves_nothing(daemon):
    checkpoint = make_checkpoint(daemon, "large", "--bytes", "400MB")
    command = [os.path.join(daemon.bin_dir, "engramctl"), "--address", daemon.address, "import",
               checkpoint, "killed"]
    cut_off = 0
    for delay in (0, 0.05, 0.2, 0.4):
        importer = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for_log(daemon, 'as "killed" starts')
        time.sleep(delay)
        daemon.kill()
        cut_off += importer.wait() != 0
        daemon.start()
        staging = daemon.dir + "/data/db/staging"
        expect(not os.path.exists(staging) or not os.listdir(staging), "staged files are left")
        for name in table_names(daemon):
            daemon.ctl("verify", name)  # whatever was acknowledged is whole
    expect(cut_off > 0, "no import was cut off")
    daemon.ctl("import", checkpoint, "killed")
    expect("killed/layer1" in table_names(daemon), "the import can be run again")
    daemon.ctl("drop", "killed/layer1", "--yes")
    daemon.ctl("drop", "killed/layer14", "--yes")


def test_refuses_to_start_twice(daemon):
    second = subprocess.run(
        [os.path.join(daemon.bin_dir, "engramd"), "--data-dir", daemon.dir + "/data", "--socket",
         daemon.dir + "/other"], capture_output=True, text=True, check=False)
    expect(second.returncode == 1, f"a second daemon on the data ended with {second.returncode}")
    expect("another process has the database open" in second.stderr, second.stderr)
    expect(daemon.ctl("health").returncode == 0, "the first daemon was hurt")


def test_newer_format_is_refused(daemon):
    daemon.stop()
    path = daemon.dir + "/data/FORMAT"
    with open(path, encoding="utf-8") as file:
        text = file.read()
    with open(path, "w", encoding="utf-8") as file:
        json.dump({**json.loads(text), "version": 1000}, file)
    second = subprocess.run(
        [os.path.join(daemon.bin_dir, "engramd"), "--data-dir", daemon.dir + "/data", "--socket",
         daemon.socket], capture_output=True, text=True, check=False)
    expect(second.returncode == 1 and "format version 1000" in second.stderr, second.stderr)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    daemon.start()


def start_replay(daemon, address):
    """Returns a replay under way whose requests are more than a connection's buffers hold."""
    replay = subprocess.Popen(
        [os.path.join(daemon.bin_dir, "engramctl"), "--address", address, "replay",
         DATA + "/prose_excerpt.u32.zst", "--config", daemon.dir + "/small/config.json",
         "--token-map", DATA + "/token_map.u32.zst", "--name", MODEL, "--passes", "100000",
         "--chunk", "4096", "--in-flight", "8"],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    while " of " not in replay.stderr.readline():  # the first line of progress
        expect(replay.poll() is None, "replay ended too early")
    return replay


def test_callers_of_a_frozen_daemon_are_told(daemon):
    """Those that are connected already, by shared memory or gRPC, and one that comes later."""
    port = re.search(r"listening on 127.0.0.1:0, port (\d+)", daemon.log()[daemon.log_mark:])[1]
    replays = [start_replay(daemon, address) for address in (daemon.address, "127.0.0.1:" + port)]
    daemon.process.send_signal(signal.SIGSTOP)
    fetch = daemon.ctl("fetch", "model/layer1", "--ids", "1,2,3,4,5,6,7,8", check=False)
    errors = [replay.communicate(timeout=120)[1] for replay in replays]
    daemon.process.send_signal(signal.SIGCONT)
    expect(fetch.returncode == 3, f"fetch ended with {fetch.returncode}: {fetch.stderr}")
    expect(daemon.socket in fetch.stderr, fetch.stderr)
    for replay, error in zip(replays, errors):
        expect(replay.returncode == 3, f"replay ended with {replay.returncode}: {error}")
    daemon.ctl("fetch", "model/layer1", "--ids", "1,2,3,4,5,6,7,8")


def test_sigint_stops_too(daemon):
    daemon.process.send_signal(signal.SIGINT)
    expect(daemon.process.wait(60) == 0, "SIGINT is no clean stop")
    expect("stopped" in daemon.log()[daemon.log_mark:], daemon.log())
    daemon.start()


def main():
    with Daemon(sys.argv[1], "--listen", "127.0.0.1:0") as daemon:
        for name, test in list(globals().items()):
            if name.startswith("test_"):
                print(name)
                test(daemon)


if __name__ == "__main__":
    main()
