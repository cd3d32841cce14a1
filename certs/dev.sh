#!/usr/bin/env bash
# Makes a development authority and a certificate of it below certs/dev, which git ignores, and prints how to use them.
# What is there already stays. Arguments are further names: certs/dev.sh gate.example.com 10.0.0.1
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

names=()
for name in "$@"; do
  names+=(--name "$name")
done
export RUST_LIB_BACKTRACE=0
cargo run --quiet -- certs init --dir certs/dev ${names[@]+"${names[@]}"}
cargo run --quiet -- certs show --cert certs/dev/tls.crt
cat <<'TEXT'

Serve with it, and register it with an API server on this machine:
  cargo run -- serve --tls-dir certs/dev
  cargo run -- webhook-config --url https://127.0.0.1:8443 --ca-file certs/dev/ca.crt | kubectl apply -f -
TEXT
