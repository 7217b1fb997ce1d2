"""A daemon of a test's own: an engramd process with a scratch directory."""

import os
import shutil
import signal
import subprocess
import tempfile
import time

START_SECONDS = 20
STOP_SECONDS = 60


class Daemon:
    """Starts engramd when entered, and stops it, which must succeed, when left."""

    def __init__(self, bin_dir, *flags):
        self.bin_dir = os.path.abspath(bin_dir)
        self.flags = flags
        # Not below TMPDIR: a socket's path may have 107 bytes at most.
        self.dir = tempfile.mkdtemp(prefix="engramd-e2e-", dir="/tmp")
        self.socket = os.path.join(self.dir, "socket")
        self.address = "unix:" + self.socket
        self.log_path = os.path.join(self.dir, "log")
        self.log_mark = 0  # where the log of the running process begins
        self.process = None

    def start(self, *more_flags):
        command = [os.path.join(self.bin_dir, "engramd"), "--data-dir", self.dir + "/data",
                   "--socket", self.socket, *self.flags, *more_flags]
        with open(self.log_path, "a", encoding="utf-8") as log:
            self.log_mark = log.tell()
            self.process = subprocess.Popen(command, stderr=log)
        deadline = time.monotonic() + START_SECONDS
        while "ready after" not in self.log()[self.log_mark:]:
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError("engramd did not start:\n" + self.log())
            time.sleep(0.01)

    def log(self):
        with open(self.log_path, encoding="utf-8") as log:
            return log.read()

    def stop(self):
        """SIGTERM; returns the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(STOP_SECONDS)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def ctl(self, *arguments, check=True):
        """Runs engramctl against this daemon."""
        command = [os.path.join(self.bin_dir, "engramctl"), "--address", self.address, *arguments]
        return subprocess.run(command, check=check, capture_output=True, text=True)

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            if self.process is not None and self.process.poll() is None:
                self.kill()
            shutil.rmtree(self.dir, ignore_errors=True)
            raise
        return self

    def __exit__(self, kind, value, trace):
        try:
            if self.process.poll() is None:
                code = self.stop()
                if kind is None and code != 0:
                    raise AssertionError(f"engramd ended with {code}:\n" + self.log())
        finally:
            if self.process.poll() is None:
                self.kill()
            if kind is not None:
                print(self.log())
            shutil.rmtree(self.dir, ignore_errors=True)
