#!/usr/bin/env bash
# Installs the Debian 12 packages that engramd needs. May be run any number of times: what is there
# already is not asked for again, and nothing is downloaded then.
#
#   deploy/install_dependencies.sh             all that building and testing needs
#   deploy/install_dependencies.sh --runtime   only the libraries that built programs link
set -euo pipefail

readonly BUILD_PACKAGES=(
  # Compiler and tools
  ca-certificates ccache clang-format clang-tidy cmake g++ git mold ninja-build pkg-config python3
  zstd
  # gRPC and Protobuf, for C++ and for the tests in Python
  libgrpc++-dev libprotobuf-dev protobuf-compiler protobuf-compiler-grpc
  python3-grpcio python3-protobuf
  # Storage
  liburing-dev librocksdb-dev libxxhash-dev libzstd-dev
  # Everything else
  libabsl-dev libcli11-dev libspdlog-dev nlohmann-json3-dev
  libgmock-dev libgtest-dev
)
readonly RUNTIME_PACKAGES=(
  libabsl20220623 libfmt9 libgrpc++1.51 libprotobuf32 librocksdb7.8 libspdlog1.10 liburing2
  libxxhash0 libzstd1
)

die() {
  echo "install_dependencies.sh: $*" >&2
  exit 1
}

require_debian_12() {
  command -v apt-get >/dev/null && command -v dpkg-query >/dev/null ||
    die "this system has no apt; engramd is built on Debian 12, or in the Dockerfile"
  local id version name
  id=$(. /etc/os-release && echo "${ID:-unknown}")
  version=$(. /etc/os-release && echo "${VERSION_ID:-unknown}")
  name=$(. /etc/os-release && echo "${PRETTY_NAME:-unknown}")
  [[ $id == debian && $version == 12 ]] ||
    die "this system is ${name}; the package versions that engramd is built on are Debian 12's"
}

# Prints those of its arguments that are not installed.
missing_packages() {
  local package installed
  # Fails if a package was never heard of, but lists the others.
  installed=$'\n'"$(dpkg-query --show --showformat '${db:Status-Status} ${Package}\n' "$@" \
    2>/dev/null || true)"$'\n'
  for package in "$@"; do
    [[ $installed == *$'\n'"installed $package"$'\n'* ]] || echo "$package"
  done
}

install_packages() {
  local as_root=()
  if [[ $EUID -ne 0 ]]; then
    command -v sudo >/dev/null || die "run this as root, or install sudo; missing packages: $*"
    as_root=(sudo)
  fi
  local apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -o Acquire::Retries=3)
  echo "install_dependencies.sh: installing $*"
  "${apt[@]}" update --quiet
  "${apt[@]}" install --quiet --yes --no-install-recommends "$@"
}

main() {
  local packages=("${BUILD_PACKAGES[@]}")
  case "${1:-}" in
    "") ;;
    --runtime) packages=("${RUNTIME_PACKAGES[@]}") ;;
    *) die "unknown argument '$1'; the only option is --runtime" ;;
  esac
  require_debian_12
  local missing
  missing="$(missing_packages "${packages[@]}")"
  if [[ -z $missing ]]; then
    echo "install_dependencies.sh: all ${#packages[@]} packages are installed"
    return
  fi
  mapfile -t packages <<<"$missing"
  install_packages "${packages[@]}"
}

main "$@"
