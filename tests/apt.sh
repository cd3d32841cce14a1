# Sourced by scripts that need programs of Debian: installs packages, or fetches one without installing it.
# shellcheck shell=bash

# Runs a command as root; fails without root and sudo, and the caller says what to do.
as_root() {
  if [ "$(id -u)" = 0 ]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo "$@"
  else
    return 1
  fi
}

# Installs packages, and nothing that they only recommend.
apt_install() {
  { as_root apt-get update -qq && as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "$@"; } \
    >/dev/null
}

# Sets promtool to that of PATH or PROMTOOL, or else to one below target/tools. The package is unpacked rather than
# installed: installing it would start a Prometheus.
find_promtool() {
  local kept=$PWD/target/tools/prometheus new
  promtool=$(command -v "${PROMTOOL:-promtool}" || echo "$kept/usr/bin/promtool")
  [ ! -x "$promtool" ] || return 0
  printf 'fetching promtool (Debian package prometheus)\n' >&2
  mkdir -p "${kept%/*}"
  new=$(mktemp -d "$kept.XXXXXX")
  (cd "$new" && as_root apt-get update -qq && apt-get download -qq prometheus && dpkg-deb --extract prometheus_*.deb .) \
    >/dev/null && rm -rf "$kept" && mv "$new" "$kept" && [ -x "$promtool" ]
}
