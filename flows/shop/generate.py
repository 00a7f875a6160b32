#!/usr/bin/python3
"""Writes data/: the same bytes at every run, so the files can stand in the repository.

    flows/shop/generate.py [DIRECTORY]

A small shop's day with what real deliveries bring: orders that change, lines delivered twice, old states that
arrive after newer ones, and a few records that are wrong in different ways.
"""
import json
import sys
from pathlib import Path

ORDERS = 60
NAMES = ["Ada", "Bela", "Cleo", "Dora", "Emil", "Fritz", "Greta", "Hugo", "Ida", "Jonas", "Klara", "Leo"]
COUNTRIES = ["AT", "CH", "DE", "FR", "IT"]
WRONG_ORDERS = [
    '{"id": 7, "customer": {"id": "c03"}, "total_cents": 1999, "status": "paid"',               # cut off
    '{"id": 8, "customer": {"id": "c04"}, "total_cents": -500, "status": "paid", "updated": "2024-03-02T08:00:00Z"}',
    '{"id": 9, "customer": {"id": "c05"}, "total_cents": 100, "status": "lost", "updated": "2024-03-02T08:00:00Z"}',
    '{"customer": {"id": "c06"}, "total_cents": 100, "status": "paid", "updated": "2024-03-02T08:00:00Z"}',
    '{"id": 11, "customer": {"id": "c07"}, "total_cents": "12,50", "status": "paid", "updated": "2024-03-02T08:00:00Z"}',
    '{"id": 12, "customer": null, "total_cents": 100, "status": "paid", "updated": "yesterday"}',
]
WRONG_PEOPLE = ["c02,Bela,AT,2024-03-02T09:00:00Z,one cell too many", "c05,Emil,XX,2024-03-02T09:00:00Z", "c06,,DE,2024-03-02T09:00:00Z"]


class Numbers:
    """A fixed sequence of numbers; Python's own generator may change between versions."""

    def __init__(self):
        self.state = 2024

    def below(self, limit):
        self.state = (self.state * 6364136223846793005 + 1442695040888963407) % 2**64
        return (self.state >> 33) % limit


def order(number, customer, total, status, minute):
    when = f"2024-03-01T{8 + minute // 60:02}:{minute % 60:02}:00Z"
    return json.dumps({"id": number, "customer": {"id": f"c{customer:02}"}, "total_cents": total, "status": status,
                       "updated": when})


def orders(numbers):
    lines = []
    for number in range(1, ORDERS + 1):
        customer, total, minute = numbers.below(len(NAMES)) + 1, numbers.below(60000) + 500, numbers.below(400)
        states = [order(number, customer, total, "open", minute)]
        if numbers.below(10) < 8:
            states.append(order(number, customer, total - numbers.below(total // 4), "paid", minute + 20))
        if numbers.below(10) < 2:
            states.append(order(number, customer, total, "void", minute + 40))
        if numbers.below(10) < 2:
            states.reverse()  # the newest state came first
        if numbers.below(10) < 2:
            states.append(states[0])  # delivered twice
        lines += [(minute + numbers.below(60), line) for line in states]
    lines.sort(key=lambda pair: pair[0])
    return [line for _, line in lines]


def people(numbers):
    lines = []
    for number, name in enumerate(NAMES, 1):
        country = COUNTRIES[numbers.below(len(COUNTRIES))]
        lines.append(f"c{number:02},{name},{country},2024-03-01T07:00:00Z")
    lines.append('c03,"Cleo ""the Cat"" Cellini, née Conti",IT,2024-03-01T12:00:00Z')
    lines.append("c04,Dora,,2024-03-01T12:00:00Z")
    lines.append("c03,Cleo C.,IT,2024-03-01T11:00:00Z")  # older than what came before
    return lines


def main():
    directory = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "data"
    directory.mkdir(parents=True, exist_ok=True)
    numbers = Numbers()
    lines = orders(numbers)
    half = len(lines) // 2
    first = lines[:half] + WRONG_ORDERS[:3]
    second = WRONG_ORDERS[3:] + lines[half - 5:]  # the last five of the first delivery once more
    for name, content in (("orders-1.jsonl", first), ("orders-2.jsonl", second),
                          ("customers.csv", ["id,name,country,updated", *people(numbers), *WRONG_PEOPLE])):
        (directory / name).write_text("\n".join(content) + "\n", encoding="utf-8")


main()
