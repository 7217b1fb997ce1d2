#!/usr/bin/env bash
# Installs a build to a scratch directory, and links programs with what was installed.
#
#   package_test.sh BUILD_DIRECTORY
#
# CXXFLAGS must name the sanitizers of the build, if it has any.
set -euo pipefail

readonly build="$1"
examples="$(dirname "${BASH_SOURCE[0]}")/../../client/examples"
readonly examples
scratch="$(mktemp -d)"
readonly scratch
readonly prefix="$scratch/prefix"
trap 'rm -rf "$scratch"' EXIT

fail() {
  echo "FAILED: $*" >&2
  exit 1
}

# build_project SOURCES BUILD
build_project() {
  cmake -S "$1" -B "$2" -DCMAKE_PREFIX_PATH="$prefix" > "$2.log" || { cat "$2.log"; return 1; }
  cmake --build "$2"
}

# expect_exit CODE TEXT COMMAND...: that it exits with CODE and says TEXT.
expect_exit() {
  local code=0 said
  said="$("${@:3}" 2>&1)" || code=$?
  [[ "$code" == "$1" && "$said" == *"$2"* ]] ||
    fail "${*:3} exited with $code, not $1, or did not say '$2': $said"
}

cmake --install "$build" --prefix "$prefix" > /dev/null
for program in engramd engramctl; do
  "$prefix/bin/$program" --version > /dev/null || fail "$program does not run"
done

for example in fetch_rows decode_worker; do
  build_project "$examples/$example" "$scratch/$example"
  expect_exit 2 "usage: $example" "$scratch/$example/$example"
done
expect_exit 1 "unix:$scratch/none" "$scratch/fetch_rows/fetch_rows" "unix:$scratch/none" table
expect_exit 1 "$scratch/none" "$scratch/decode_worker/decode_worker" unix:none model \
  "$scratch/none" map trace

# Every installed header must compile by itself.
mkdir "$scratch/headers"
headers="$(cd "$prefix/include/engram" && find . -name '*.h' -printf '%P\n')"
[[ "$headers" == *client/engram_client.h* && "$headers" == *client/hash/ngram_hasher.h* ]] ||
  fail "headers are missing: $headers"
for header in $headers; do
  echo "#include \"$header\"" > "$scratch/headers/${header//\//_}.cc"
done
cat > "$scratch/headers/main.cc" << 'END'
#include "client/engram_client.h"
#include "client/hash/hash_config.h"

int main() {
  const bool refused = !engram::ParseHashConfig("{}").ok() &&
                       !engram::Client::Connect({.address = "nowhere"}).ok();
  return refused ? 0 : 1;
}
END
cat > "$scratch/headers/CMakeLists.txt" << 'END'
cmake_minimum_required(VERSION 3.24)
project(headers LANGUAGES CXX)
find_package(engram 0.1 REQUIRED)
file(GLOB sources *.cc)
add_executable(headers ${sources})
target_link_libraries(headers PRIVATE engram::client engram::hash)
END
build_project "$scratch/headers" "$scratch/headers_build"
expect_exit 0 "" "$scratch/headers_build/headers"
