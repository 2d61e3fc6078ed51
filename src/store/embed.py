#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Turn migrations/NNNN_name.{up,down}.sql into C strings, one per dialect.

The files are PostgreSQL's SQL. For SQLite the word bigint becomes integer (so that a bigint
primary key is the row's own address) and a line ");" that ends a table becomes ") strict;" (so
that SQLite refuses values of another type, as PostgreSQL does). Lines behind "-- only sqlite" or
"-- only postgres" are for that one, up to "-- both": triggers have no common words. Nothing else
differs.
"""
import re
import sys
from pathlib import Path


def only(dialect: str, sql: str) -> str:
    """What is for both, and for this one."""
    kept, now = [], "both"
    for line in sql.splitlines():
        match = re.fullmatch(r"-- (?:only (sqlite|postgres)|both)", line)
        if match is not None:
            now = match.group(1) or "both"
        elif now in ("both", dialect):
            kept.append(line)
    if now != "both":
        sys.exit(f"what is only for {now} does not end with '-- both'")
    return "\n".join(kept) + "\n"


def sqlite(sql: str) -> str:
    return re.sub(r"^\);$", ") strict;", re.sub(r"\bbigint\b", "integer", sql), flags=re.M)


def literal(sql: str) -> str:
    lines = [line.replace("\\", "\\\\").replace('"', '\\"') for line in sql.splitlines()]
    return "\n".join(f'\t\t\t"{line}\\n"' for line in lines)


def pair(field: str, sql: str) -> str:
    return f"\t\t.{field} = {{\n{literal(sqlite(only('sqlite', sql)))},\n{literal(only('postgres', sql))},\n\t\t}},"


def main(out: str, *files: str) -> None:
    found = {}
    for file in map(Path, files):
        match = re.fullmatch(r"(\d{4})_([a-z0-9_]+)\.(up|down)\.sql", file.name)
        if match is None:
            sys.exit(f"{file.name}: migrations are named NNNN_name.up.sql and NNNN_name.down.sql")
        number, name, way = match.groups()
        found.setdefault((int(number), name), {})[way] = file.read_text(encoding="utf-8")
    rows = []
    for want, ((number, name), ways) in enumerate(sorted(found.items()), start=1):
        if number != want or set(ways) != {"up", "down"}:
            sys.exit(f"{number:04}_{name}: numbers are dense from 0001 and come with up and down")
        rows.append(f'\t{{\n\t\t.number = {number},\n\t\t.name = "{name}",')
        rows.extend([pair("up", ways["up"]), pair("down", ways["down"]), "\t},"])
    Path(out).write_text(
        '#include "store/db_impl.h"\n\nconst struct migration migrations[] = {\n'
        + "\n".join(rows)
        + f"\n}};\nconst size_t migrations_n = {len(found)};\n",
        encoding="utf-8",
    )


main(*sys.argv[1:])
