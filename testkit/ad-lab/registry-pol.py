"""Writes a registry.pol (MS-GPREG 2.2.1) with LAPS settings: registry-pol.py FILE NAME=VALUE... Numbers are DWORDs."""

import struct
import sys

KEY = r"Software\Microsoft\Windows\CurrentVersion\Policies\LAPS"


def wide(text):
    return (text + "\0").encode("utf-16-le")


out = b"PReg" + struct.pack("<I", 1)
for setting in sys.argv[2:]:
    name, value = setting.split("=", 1)
    kind, data = (4, struct.pack("<I", int(value))) if value.isdigit() else (1, wide(value))
    semicolon = ";".encode("utf-16-le")
    record = semicolon.join([wide(KEY), wide(name), struct.pack("<I", kind), struct.pack("<I", len(data)), data])
    out += "[".encode("utf-16-le") + record + "]".encode("utf-16-le")
with open(sys.argv[1], "wb") as f:
    f.write(out)
