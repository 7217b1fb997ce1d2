#!/usr/bin/python3
"""The examples that need no GPU, against a daemon with a table of each layer.

  examples_test.py BIN_DIR
"""

import json
import os
import re
import subprocess
import sys

from daemon import Daemon

DATA = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "data")
TOKENS = 300


def run(daemon, program, *arguments):
    command = [os.path.join(daemon.bin_dir, program), daemon.address, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def expect(condition, message):
    if not condition:
        raise AssertionError(message)


def main():
    with Daemon(sys.argv[1]) as daemon:
        checkpoint = daemon.dir + "/checkpoint"
        daemon.ctl("make-checkpoint", checkpoint, "--vocab-size", "500")
        daemon.ctl("import", checkpoint, "model")

        said = run(daemon, "decode_worker", "model", checkpoint + "/config.json",
                   DATA + "/token_map.u32.zst", DATA + "/prose_excerpt.u32.zst", str(TOKENS))
        summary = rf"{TOKENS} tokens, [\d.]+ tokens/s; waited for rows \d+ times"
        expect(re.match(summary, said), said)
        for table in json.loads(daemon.ctl("stats", "--json").stdout)["tables"]:
            expect(table["fetches"] == TOKENS and table["groups"] == 3 * TOKENS, table)
            expect(table["fetches_on_time"] + table["fetches_late"] == TOKENS, table)

        rows = run(daemon, "fetch_rows", "model/layer14", "4711").splitlines()
        expect([row.split()[0] for row in rows] == [str(4711 + i) for i in range(8)], rows)
        expect(all(len(row.split()[1]) == 2 * 264 for row in rows), rows)


if __name__ == "__main__":
    main()
