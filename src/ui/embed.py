#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes files as a table of bytes in C: embed.py OUTPUT INPUT..."""
import os
import sys

TYPES = {".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8",
         ".js": "text/javascript; charset=utf-8"}

out, inputs = sys.argv[1], sys.argv[2:]
with open(out, "w", encoding="utf-8") as f:
    f.write('#include "ui/ui.h"\n\n')
    for i, path in enumerate(inputs):
        with open(path, "rb") as source:
            data = source.read()
        f.write(f"static const char file_{i}[] = {{\n")
        for at in range(0, len(data), 24):
            f.write("\t" + " ".join(f"{byte if byte < 128 else byte - 256}," for byte in data[at:at + 24]) + "\n")
        f.write("};\n")
    f.write("const struct ui_file ui_files[] = {\n")
    for i, path in enumerate(inputs):
        name = os.path.basename(path)
        f.write(f'\t{{ "{name}", "{TYPES[os.path.splitext(name)[1]]}", {{ file_{i}, sizeof(file_{i}) }} }},\n')
    f.write("};\n")
    f.write(f"const size_t ui_files_n = {len(inputs)};\n")
