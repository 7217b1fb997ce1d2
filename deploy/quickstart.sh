#!/usr/bin/env bash
# Builds engramd and does its main job once: makes a checkpoint of DeepSeek-V4.1's shape, imports
# it, serves it with RAM for a tenth of it, replays real text against it, and checks every row bit
# by bit.
#
#   deploy/quickstart.sh
#
# Needs Debian 12, some 4 GB of disk, and a few minutes the first time. Everything it makes lies
# under build/, but for the daemon's socket.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly CHECKPOINT_BYTES=1GB
readonly RAM_BUDGET=100MB
readonly TRACE=tests/data/prose_excerpt
readonly TOKENS=60000  # of the trace's 302,400: what a slow disk reads in half a minute
readonly TOKEN_MAP=tests/data/token_map.u32.zst
readonly bin=build/release/bin
readonly work=build/quickstart
runtime_dir="$(mktemp -d /tmp/engramd-quickstart.XXXXXX)"
readonly runtime_dir
export ENGRAMD_ADDRESS="unix:$runtime_dir/engramd.sock"
daemon_pid=""

say() {
  printf '\n== %s\n' "$*"
}

show_and_run() {
  printf '$ %s\n' "${*//$bin\//}"
  "$@"
}

# Fails if the daemon did not end well.
stop_daemon() {
  local pid=$daemon_pid
  daemon_pid=""
  kill -TERM "$pid"
  wait "$pid"
}

clean_up() {
  [[ -z $daemon_pid ]] || stop_daemon || true
  rm -rf "$runtime_dir" "$work/data"
}
trap clean_up EXIT

build() {
  say "dependencies"
  deploy/install_dependencies.sh
  say "build"
  cmake --preset release >"$work/configure.log" || {
    cat "$work/configure.log"
    return 1
  }
  cmake --build --preset release --parallel "$(nproc)" --target engramd engramctl
}

make_checkpoint() {
  say "a checkpoint of DeepSeek-V4.1's shape, both Engram layers, $CHECKPOINT_BYTES"
  # The index is written last: with it the checkpoint of an earlier run is whole.
  if [[ -f $work/checkpoint/model.safetensors.index.json ]]; then
    echo "$work/checkpoint is there from an earlier run"
    return
  fi
  rm -rf "$work/checkpoint"
  show_and_run "$bin/engramctl" make-checkpoint "$work/checkpoint" --bytes "$CHECKPOINT_BYTES"
}

start_daemon() {
  say "engramd, with $RAM_BUDGET of RAM for rows"
  rm -rf "$work/data"
  "$bin/engramd" --data-dir "$work/data" --socket "$runtime_dir/engramd.sock" \
    --ram-budget "$RAM_BUDGET" &
  daemon_pid=$!
  local tries
  for tries in {1..100}; do
    if "$bin/engramctl" health >/dev/null 2>&1; then
      return
    fi
    kill -0 "$daemon_pid" || break
    sleep 0.1
  done
  echo "quickstart.sh: engramd did not start (after $tries looks)" >&2
  return 1
}

main() {
  mkdir -p "$work"
  build
  make_checkpoint
  start_daemon
  say "import"
  show_and_run "$bin/engramctl" import "$work/checkpoint" v41
  show_and_run "$bin/engramctl" tables
  say "replay of real text, every row compared"
  show_and_run "$bin/engramctl" replay "$TRACE.u32.zst" --docs "$TRACE.docs.txt" \
    --config "$work/checkpoint/config.json" --token-map "$TOKEN_MAP" --name v41 --limit "$TOKENS"
  say "the tables on disk, against the digests of their import"
  show_and_run "$bin/engramctl" verify v41/layer1
  show_and_run "$bin/engramctl" verify v41/layer14
  say "what the daemon did"
  show_and_run "$bin/engramctl" stats
  say "stop"
  stop_daemon
  say "done in $SECONDS s; the checkpoint stays in $work for the next run"
}

main "$@"
