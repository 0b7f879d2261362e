"""objects.py TRUTH [PART] - objects of many types that a program keeps, and garbage; then it notes them and waits.

PART: of how many there would be, one in so many.

The truth is a row an object that is kept: id, bytes with the collector's head (sys.getsizeof()), its type; and rows
"#edge", what some of them are held by. What the
allocator itself counts is written last, to standard error: nothing is allocated between that and the wait.
"""
import gc
import os
import signal
import sys

PART = int(sys.argv[2]) if len(sys.argv) > 2 else 1


class Account:
	def __init__(self, number):
		self.name = "account %d" % number
		self.balance = number * 1.5
		self.orders = [number, (number, str(number)), {"number": number}]


class Slotted:
	__slots__ = ("first", "second")

	def __init__(self, number):
		self.first = [number]
		self.second = {"key": bytes(number)}


class Derived(dict):
	pass


class Ring:
	pass


class Meta(type):
	pass


class Made(metaclass=Meta):
	def __init__(self, number):
		self.number = [number]


def closure(number):
	def inner():
		return number
	return inner


def numbers(top):
	yield from range(top)


CACHE = {
	"accounts": [Account(i) for i in range(1500 // PART)],
	"slotted": [Slotted(i) for i in range(700 // PART)],
	"tuples": {i: (i, "value %d" % i) for i in range(1000, 1000 + 1000 // PART)},
	"texts": ["x" * (i % 700 + 2) for i in range(1500 // PART)],
	"wide": ["\u4e00" * (i % 100 + 1) for i in range(300 // PART)],
	"bytes": [bytes(i % 600 + 2) for i in range(1500 // PART)],
	"sets": [{i, i + 5000, "s%d" % i} for i in range(300 // PART)],
	"frozen": [frozenset((i, str(i))) for i in range(300 // PART)],
	"derived": [Derived(key=i) for i in range(300 // PART)],
	"made": [Made(i) for i in range(300 // PART)],
	"floats": [i + 0.5 for i in range(1000 // PART)],
	"large": [1 << (i + 70) for i in range(500 // PART)],
	"functions": [closure(1000 + i) for i in range(300 // PART)],
	"arrays": [bytearray(i + 1) for i in range(300 // PART)],
	"generators": [numbers(i) for i in range(300 // PART)],
	"methods": [[].append for i in range(300 // PART)],
}


def edges():
	"""Objects, and the word that holds each: of a list, a dict, a tuple, an instance, a slot, a function."""
	account, number = CACHE["accounts"][7], 1000 + len(CACHE["tuples"]) - 1
	return ((CACHE["accounts"], 'dict keys["accounts"]'), (account, "list items[7]"),
		(account.orders, "__main__.Account.orders"), (account.orders[2], "list items[2]"),
		(CACHE["slotted"][5].second, "__main__.Slotted.second"), (CACHE["tuples"][number], "dict keys[%d]" % number),
		(CACHE["tuples"][number][1], "tuple[1]"), (CACHE["functions"][3].__closure__, "function.__closure__"))


def note(truth):
	rows, seen = [], set()

	def add(value):
		if id(value) not in seen:
			seen.add(id(value))
			kind = type(value)
			name = kind.__qualname__ if kind.__module__ == "builtins" else kind.__module__ + "." + kind.__qualname__
			rows.append((id(value), sys.getsizeof(value), name))

	for values in CACHE.values():
		add(values)
		for value in values.values() if isinstance(values, dict) else values:
			add(value)
			if isinstance(value, Account):
				add(value.orders)
				add(value.orders[2])
			if isinstance(value, Slotted):
				add(value.first)
				add(value.second)
	with open(truth, "w", encoding="ascii") as out:
		out.write("#version\t%s\n" % sys.version.split()[0])
		out.writelines("#edge\t%x\t%s\n" % (id(value), name) for value, name in edges())
		out.writelines("%x\t%d\t%s\n" % row for row in rows)


def main(truth):
	free = [bytes(i % 500 + 1) for i in range(20000 // PART)]
	del free[::2], free[500:]
	del free
	note(truth)
	gc.collect()
	gc.disable()
	for _ in range(100 // PART):
		ring = Ring()
		ring.other = Ring()
		ring.other.other = ring
		ring.payload = bytearray(100)
	del ring, _
	stats, write, ready, wait = sys._debugmallocstats, os.write, b"ready \n", signal.pause
	stats()
	write(1, ready)
	wait()


main(sys.argv[1])
