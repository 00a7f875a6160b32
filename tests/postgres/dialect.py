"""Asks SQLite with our functions, and PostgreSQL through postgres_sql(), and compares what they say.

    both = Both(psycopg2_cursor)
    both.make("t", {"a": "int64", "b": "text"}, rows)      # a table in both
    both.ask("SELECT a FROM t")                            # (of_sqlite, of_postgres): rows, or Failed

Values are Python's: int, float, str, bytes, bool, None; an int256 is a BigInt, so that it is not taken for an int64.
"""
import math
import os
import subprocess
from decimal import Decimal
from pathlib import Path

import psycopg2
import pytest
from conftest import ROOT, int256

SQL_TYPES = {"int64": ("INTEGER", "bigint"), "timestamp": ("INTEGER", "bigint"), "bool": ("INTEGER", "boolean"), "float64": ("REAL", "double precision"),
             "text": ("TEXT", 'text COLLATE "C"'), "json": ("TEXT", 'text COLLATE "C"'), "bytes": ("BLOB", "bytea"), "int256": ("BLOB", "numeric")}
FUNCTIONS = [ROOT / "store/postgres" / name for name in ("functions.sql", "cells.sql", "dialect.sql")]


class BigInt(int):
    """An int256."""

    def __repr__(self):
        return f"i256({int(self)})"


class Failed(Exception):
    """What a store said against a statement."""

    def __eq__(self, other):
        return isinstance(other, Failed)

    __hash__ = None


def install(cursor):
    """The schema plumb, as the store makes it."""
    for path in FUNCTIONS:
        cursor.execute(path.read_text())


def literal(value, of_postgres):
    """The value as SQL of either store."""
    if value is None:
        return "NULL"
    if isinstance(value, BigInt):
        return str(int(value)) if of_postgres else f"i256('{int(value)}')"
    if isinstance(value, bool):
        return str(value).lower() if of_postgres else str(int(value))
    if isinstance(value, float):
        return repr(value) + ("::float8" if of_postgres else "")
    if isinstance(value, bytes):
        return f"'\\x{value.hex()}'::bytea" if of_postgres else f"X'{value.hex()}'"
    if isinstance(value, str):
        quoted = value.replace("'", "''")
        return f"'{quoted}'"
    return f"({value})"


def of_sqlite(cell):
    kind, text = cell[0], cell[1:]
    return {"N": lambda: None, "I": lambda: int(text), "R": lambda: float(text), "T": lambda: bytes.fromhex(text).decode(),
            "B": lambda: bytes.fromhex(text)}[kind]()


def of_postgres(value):
    if isinstance(value, memoryview):
        return bytes(value)
    return BigInt(value) if isinstance(value, Decimal) else value


def same(left, right):
    """A cell of SQLite (left) and one of PostgreSQL: a bool is a number, an int256 its bytes; the same bits otherwise."""
    if isinstance(right, BigInt):
        return isinstance(left, bytes) and int256(left) == int(right)
    if isinstance(right, bool):
        return type(left) is int and left == int(right)  # pylint: disable=unidiomatic-typecheck # True is an int, too
    if type(left) is not type(right):
        return False
    return left == right or (isinstance(left, float) and math.isnan(left) and math.isnan(right))


def same_rows(left, right):
    return len(left) == len(right) and all(len(a) == len(b) and all(map(same, a, b)) for a, b in zip(left, right))


class Both:
    """Both stores, and our own code between them."""

    def __init__(self, cursor):
        plumb = Path(os.environ.get("PLUMB", ROOT / "build" / "plumb")).resolve()
        path = Path(os.environ.get("POSTGRES_HELPERS", plumb.parent.parent / "tests" / "postgres")) / "postgres_dialect"
        if not os.access(path, os.X_OK):
            pytest.skip(f"no program {path}: build it, or set POSTGRES_HELPERS to its folder")
        # pylint: disable=consider-using-with # close() ends it
        self.helper = subprocess.Popen([path], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.cursor = cursor

    def close(self):
        self.helper.stdin.close()
        self.helper.stdout.close()
        self.helper.wait(10)

    def request(self, letter, text):
        self.helper.stdin.write(letter.encode() + text.encode() + b"\0")
        self.helper.stdin.flush()
        answer = bytearray()
        while not answer.endswith(b"\0"):
            more = self.helper.stdout.read1(1 << 16)
            assert more, f"postgres_dialect ended at {letter}{text[:2000]}"
            answer += more
        text = answer[1:-1].decode()
        if answer[:1] == b"-":
            raise Failed(text)
        return text

    def translate(self, sql):
        return self.request("T", sql)

    def sqlite(self, sql):
        try:
            answer = self.request("E", sql)
        except Failed as error:
            return error
        return [tuple(map(of_sqlite, line.split("\t"))) for line in answer.split("\n")[:-1]]

    def postgres(self, sql, translated=True):
        try:
            sql = self.translate(sql) if translated else sql
            self.cursor.execute("SAVEPOINT one; " + sql)
            rows = [tuple(map(of_postgres, row)) for row in self.cursor.fetchall()] if self.cursor.description else []
            self.cursor.execute("RELEASE one")
            return rows
        except psycopg2.Error as error:
            self.cursor.execute("ROLLBACK TO one")
            return Failed(str(error))
        except Failed as error:
            return error

    def ask(self, sql):
        return self.sqlite(sql), self.postgres(sql)

    def make(self, name, columns, rows, key=()):
        """A table of both, as the stores make theirs."""
        for store in (0, 1):
            cells = [f'"{column}" {SQL_TYPES[kind][store]}{" NOT NULL" if column in key else ""}' for column, kind in columns.items()]
            cells += [f"PRIMARY KEY ({', '.join(key)})"] if key else []
            ddl = f'CREATE TABLE "{name}" ({", ".join(cells)})' if store else f'DROP TABLE IF EXISTS "{name}"; CREATE TABLE "{name}" ({", ".join(cells)})'
            values = ", ".join("(" + ", ".join(literal(value, store == 1) for value in row) + ")" for row in rows)
            insert = f'INSERT INTO "{name}" VALUES {values}' if rows else "SELECT 1"
            for sql in (ddl, insert):
                done = self.postgres(sql, translated=False) if store else self.sqlite(sql)
                assert not isinstance(done, Failed), f"{sql[:2000]}: {done}"
