#!/usr/bin/env bash
# Installs what is missing, builds, and runs the whole test suite.
#
#   tests/run.sh            the release preset
#   tests/run.sh PRESET     another one of CMakePresets.json: asan, tsan
#
# Everything it makes lies under build/.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

say() {
  echo "== $*"
}

readonly preset="${1:-release}"
jobs="$(nproc)"
readonly jobs
readonly scratch="$PWD/build/$preset/tmp"

say "dependencies"
deploy/install_dependencies.sh

say "configure ($preset)"
cmake --preset "$preset"

say "build ($preset, $jobs jobs)"
cmake --build --preset "$preset" --parallel "$jobs"

say "test ($preset, $jobs jobs)"
rm -rf "$scratch"
mkdir -p "$scratch"
export TMPDIR="$scratch" TEST_TMPDIR="$scratch" PYTHONDONTWRITEBYTECODE=1
ctest --preset "$preset" --parallel "$jobs"
rm -rf "$scratch"
