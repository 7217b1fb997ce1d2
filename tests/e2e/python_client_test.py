#!/usr/bin/python3
"""Runs python_client.py against a daemon: with io_uring or what the kernel allows, and with pread.

  python_client_test.py BIN_DIR PROTO_DIR
"""

import os
import subprocess
import sys

import independent_checkpoint
from daemon import Daemon

VOCAB_SIZE = 300
SEED = 20260712


def main():
    bin_dir, proto_dir = sys.argv[1:]
    client = os.path.join(os.path.dirname(os.path.abspath(__file__)), "python_client.py")
    for flags in ([], ["--io-engine=pread"], ["--ram-budget=0"], ["--ram-whole=*"]):
        with Daemon(bin_dir, *flags) as daemon:
            checkpoint = os.path.join(daemon.dir, "checkpoint")
            independent_checkpoint.write_checkpoint(checkpoint, VOCAB_SIZE, SEED)
            print("flags:", *flags)
            subprocess.run([sys.executable, client, "--address", daemon.address,
                            "--proto-dir", proto_dir, "--checkpoint", checkpoint], check=True)


if __name__ == "__main__":
    main()
