#!/usr/bin/env bash
# Coverage over 100,000 devices: the engine of explain on evidence that the store gives in bulk. Aim: under 1 s.
# Not a pair: nothing comparable is measured beside it. COUNT sets how many devices.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo run --release --locked -q -p lapwing-server --example coverage -- "${COUNT:-100000}"
