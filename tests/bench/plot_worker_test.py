#!/usr/bin/python3
"""Tests of plot_worker.py: which runs make a line, where its points lie, and what is refused."""

import json
import os
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree

import plot_worker

PROGRAM = os.path.join(os.path.dirname(os.path.abspath(__file__)), "plot_worker.py")


def run_of(loss, **settings):
    return {"table_bytes": 2_000_000_000, "step_ms": 10.0, "sequences": 1, "ram_share": 0.1,
            "warm_share": 0.0, "daemon_flags": [], "baseline_tokens_per_s": 100.0,
            "loss_fraction": loss, "grpc_loss_fraction": 2 * loss, **settings}


class PlotWorkerTest(unittest.TestCase):
    def test_runs_that_differ_in_ram_alone_make_a_line(self):
        runs = [run_of(0.08, ram_share=0.05), run_of(0.02), run_of(0.04),
                run_of(0.01, warm_share=1.0)]
        series = dict(plot_worker.series_of(runs, "ram_share"))
        self.assertEqual(series, {"shared memory": [(0.05, 0.08), (0.1, 0.03)],
                                  "gRPC": [(0.05, 0.16), (0.1, 0.06)]})

    def test_labels_tell_what_lines_differ_in(self):
        runs = [run_of(0.01, ram_share=ram, warm_share=warm) for ram in [0.1, 0.2]
                for warm in [0.0, 1.0]]
        labels = [label for label, _ in plot_worker.series_of(runs, "ram_share")]
        self.assertEqual(set(labels), {"shared memory, warm 0", "shared memory, warm 1",
                                       "gRPC, warm 0", "gRPC, warm 1"})

    def test_loads_of_find_max_make_a_line(self):
        loads = [{"sequences": 1, "baseline_tokens_per_s": 102.0, "loss_fraction": 0.03},
                 {"sequences": 2, "baseline_tokens_per_s": 200.0, "loss_fraction": 0.02},
                 {"sequences": 4, "baseline_tokens_per_s": 400.0, "loss_fraction": 0.05}]
        series = plot_worker.series_of([run_of(0.01, loss_by_load=loads)], "sequences")
        self.assertEqual(series, [("shared memory", [(101, 0.02), (200, 0.02), (400, 0.05)])])

    def test_small_losses_stand_at_the_bottom_and_large_ones_above(self):
        panel = plot_worker.Panel(0, "", "", [])
        self.assertEqual(panel.y(-0.01), panel.y(plot_worker.LEAST_LOSS))
        self.assertLess(panel.y(0.1), panel.y(0.01))

    def test_program_writes_a_figure_and_refuses_files_without_runs(self):
        with tempfile.TemporaryDirectory() as scratch:
            path = os.path.join(scratch, "runs.json")
            figure = os.path.join(scratch, "figure.svg")
            command = [sys.executable, PROGRAM, path, "--output", figure]
            with open(path, "w", encoding="utf-8") as file:
                file.write("a line of a log\n")
            refused = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False)
            self.assertEqual(refused.returncode, 1)
            self.assertIn("no run of engram_bench worker", refused.stderr)
            with open(path, "a", encoding="utf-8") as file:
                file.writelines(json.dumps(run) + "\n"
                                for run in [run_of(0.02), run_of(0.001, ram_share=1.0)])
            subprocess.run(command, check=True)
            root = xml.etree.ElementTree.parse(figure).getroot()
            self.assertEqual(len(root.findall("{http://www.w3.org/2000/svg}polyline")), 2)


if __name__ == "__main__":
    unittest.main()
