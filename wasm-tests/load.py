"""Compiles modules with the engine of the installed wasmtime, as a gateway does when it starts: load.py MODULE..."""

import sys

import wasmtime

for path in sys.argv[1:]:
    wasmtime.Module.from_file(wasmtime.Engine(), path)
