#!/usr/bin/python3
"""Runs each case of engram_bench on very little, and looks at what it reports.

  smoke_test.py PATH_OF_ENGRAM_BENCH

Every case that reads rows compares their bytes and fails if one is wrong; here it must also say
that it measured something, and that cold reads came from the device. No speed is judged.
"""

import json
import os
import subprocess
import sys
import tempfile

SMALL_READS = ["--table-bytes", "32m", "--batch-rows", "512", "--batches", "1", "--tokens", "3"]
CASES = {
    "ram": (["--table-bytes", "8m", "--rows-per-run", "8192", "--rounds", "5"],
            ["limit_rows_per_s", "cache_rows_per_s", "cache_rows_per_s_2", "all_rows_per_s",
             "ratio_to_limit", "ratio_to_limit_2", "ratio_to_limit_all"]),
    "hash": ([], ["prefill_ids_per_s", "decode_ids_per_s"]),
    "dequantize": (["--rounds", "5"],
                   ["fp32_values_per_s", "bf16_values_per_s", "table_loop_values_per_s",
                    "ratio_to_table_loop", "ratio_to_copy"]),
    "cold-layout": (SMALL_READS, ["pages_rows_per_s", "rows_stock_rows_per_s", "ratio_to_stock"]),
    "nvme": (SMALL_READS,
             ["rows_per_s", "device_reads_per_s", "stock_rows_per_s", "ratio_to_device",
              "ratio_to_stock", "token_us", "device_token_us", "token_latency_ratio",
              "store_reads_per_row"]),
    "import": (["--bytes", "16m"],
               ["import_mb_per_s", "sequential_write_mb_per_s", "ratio_to_sequential_write",
                "import_cpu_s_per_gb", "cores_busy", "table_bytes", "disk_bytes"]),
    "grpc": (["--table-bytes", "16m", "--answers", "3", "--rounds", "5"],
             ["bytes_per_s", "echo_bytes_per_s", "ratio_to_echo", "answer_us", "echo_answer_us"]),
    "scale": (["--table-bytes", "4m", "--hot-bytes", "1m", "--batch-rows", "512", "--batches", "2",
               "--sizes", "2", "--rounds", "5"],
              ["start_ms", "start_ratio", "hot_rows_per_s", "hot_ratio"]),
    "shm": (["--table-bytes", "16m", "--answers", "3", "--tokens", "10", "--paced-tokens", "2",
             "--rounds", "5"],
            ["bytes_per_s", "grpc_bytes_per_s", "limit_bytes_per_s", "ratio_to_grpc",
             "ratio_to_limit", "p50_ratio_to_grpc", "paced_p50_ratio_to_grpc"]),
    "worker": (["--table-bytes", "32m", "--warm-up-tokens", "2000", "--sequences", "4",
                "--prompt-tokens", "32", "--output-tokens", "16", "--step-tokens", "64",
                "--step-ms", "2", "--steps", "10", "--warm-share", "0.5", "--of-ngrams"],
               ["tokens_per_s", "baseline_tokens_per_s", "grpc_tokens_per_s",
                "nvme_reads_per_token", "device_reads_per_s", "device_bound_tokens_per_s",
                "device_loss_fraction"]),
    "placement": (["--scan", "50000", "--warm", "0.5"],
                  ["accesses", "distinct_groups", "slots", "hit_ratio", "static_optimal", "lru",
                   "s3fifo", "w_tinylfu", "belady", "ratio_to_belady", "nvme_reads_per_token",
                   "policy_ns_per_group", "metadata_bytes_per_slot", "hit_ratio_with_scan"]),
}


def run(program, case, flags, scratch):
    """Returns the object that the program printed last."""
    done = subprocess.run([program, case, *flags, "--json"], stdout=subprocess.PIPE, text=True,
                          env={**os.environ, "TMPDIR": scratch}, timeout=250, check=False)
    if done.returncode != 0:
        sys.exit(f"smoke_test.py: engram_bench {case} ended with {done.returncode}")
    return json.loads(done.stdout.splitlines()[-1])


def is_direct(folder):
    """Whether the file system of the folder takes O_DIRECT."""
    path = os.path.join(folder, "direct")
    try:
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_DIRECT))
        return True
    except OSError:
        return False


def check(case, result, names, direct):
    for name in names:
        value = result.get(name)
        if not isinstance(value, (int, float)) or not value > 0:
            sys.exit(f"smoke_test.py: {case}: {name} is {value!r}, not a positive number")
    if case == "nvme":
        if result["ram_hits"] != 0:
            sys.exit("smoke_test.py: nvme: a store without RAM served from RAM")
        rows_a_page = 15
        if direct and result["device_bytes_per_row"] < 4096 / rows_a_page:
            sys.exit("smoke_test.py: nvme: the device did not read what was fetched")
    if case == "worker":
        check_worker(result)
    if case == "placement":
        check_placement(result)


def check_worker(result):
    """Windows are the plan's, tiers add up, and a burst of more reads takes longer."""
    for by_layer in [result["stall_us_by_layer"], result["grpc_stall_us_by_layer"]]:
        if {layer: stall["window_us"] for layer, stall in by_layer.items()} != \
                {"1": 50.0, "14": 700.0}:
            sys.exit(f"smoke_test.py: worker: {by_layer} are not of layers 1 and 14 of 40")
        for layer, stall in by_layer.items():
            if abs(stall["ram"] + stall["warm"] + stall["cold"] - 1) > 1e-9 or stall["cold"] == 0:
                sys.exit(f"smoke_test.py: worker: layer {layer}: {stall} are not parts of groups")
    bursts = result["device_burst_us"]
    if not 0 < bursts["1"] < bursts["384"]:
        sys.exit(f"smoke_test.py: worker: device_burst_us is {bursts}")


def check_placement(result):
    """No cache that starts empty beats the best of them, and hits by order add up to all hits."""
    for name in ["hit_ratio", "lru", "s3fifo", "w_tinylfu", "hit_ratio_with_scan"]:
        if result[name] > result["belady"]:
            sys.exit(f"smoke_test.py: placement: {name} is above belady")
    by_order = result["hit_ratio_by_order"]
    if list(by_order) != ["2", "3", "4"] or \
            abs(sum(by_order.values()) / 3 - result["hit_ratio"]) > 1e-9:
        sys.exit(f"smoke_test.py: placement: {by_order} are not the parts of hit_ratio")
    first, second = result["warm_passes"]
    if abs(first["hit_ratio"] - result["hit_ratio"]) > 0.005:
        sys.exit("smoke_test.py: placement: a warm tier changes what RAM holds")
    if not second["ratio_to_cold_alone"] < first["ratio_to_cold_alone"] < 1:
        sys.exit(f"smoke_test.py: placement: the warm tier does not help: {first}, {second}")


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    with tempfile.TemporaryDirectory(prefix="bench_smoke_") as scratch:
        direct = is_direct(scratch)
        for case, (flags, names) in CASES.items():
            check(case, run(sys.argv[1], case, flags, scratch), names, direct)
            if left := set(os.listdir(scratch)) - {"direct"}:
                sys.exit(f"smoke_test.py: {case} left behind: {', '.join(sorted(left))}")
            print(f"{case}: ok")


if __name__ == "__main__":
    main()
