"""garbage.py TRUTH [PART] - rings that are dropped while the collector is off, weak references, and what keeps its objects; then it waits.

PART: "healthy": nothing is dropped.

The truth is a row a block: its state, the id of an object, bytes that sys.getsizeof() says with the collector's head, its
type; "#version", and "#collected", the objects that gc.collect() finds in a copy of the process. What is garbage is noted
while it is held, and then dropped; "leaked" are rings that are counted once more than anything refers to them.
"""
import ctypes
import gc
import os
import signal
import sys
import weakref

RINGS = 400


class Ring:
	__slots__ = ("other", "payload", "__weakref__")


class Entry:
	__slots__ = ("number", "__weakref__")

	def __init__(self, number):
		self.number = [number]


CACHE = {i: Entry(i) for i in range(300)}
WEAK = [weakref.ref(entry) for entry in CACHE.values()]
VALUES = weakref.WeakValueDictionary()
KEPT = []
BALLAST = []


def rings(rows):
	"""Two that hold each other, what both hold, and a list that holds itself; each third is weakly referred to."""
	for number in range(RINGS):
		ring, other = Ring(), Ring()
		ring.other, other.other = other, ring
		ring.payload = [number + 0.25]
		other.payload = "payload %d" % number
		if number % 3 == 0:
			VALUES[number] = ring
		rows += [(value, sys.getsizeof(value)) for value in (ring, other, ring.payload, ring.payload[0], other.payload)]


def leaked(rows):
	for _ in range(50):
		ring = Ring()
		ring.other, ring.payload = ring, 0
		ctypes.pythonapi.Py_IncRef(ctypes.py_object(ring))
		rows.append((ring, sys.getsizeof(ring)))


def collected(truth):
	"""Of a child of its own, and so nothing here changes."""
	child = os.fork()
	if not child:
		with open(truth, "a", encoding="ascii") as out:
			VALUES.data.clear()	# their callbacks are counted, too
			out.write("#collected\t%d\n" % gc.collect())
		os._exit(0)
	os.waitpid(child, 0)


def note(out, state, rows):
	out.writelines("%s\t%x\t%d\t%s\n" % (state, id(value), size, type(value).__name__) for value, size in rows)


def scrub(depth, a=None, b=None, c=None, d=None, e=None, f=None, g=None, h=None):
	"""Writes over what calls that have ended left on the stack of frames."""
	if depth:
		scrub(depth - 1)


def main(truth, part):
	rows, more = [], []
	gc.collect()
	gc.disable()
	# Objects on the interpreter's free lists leave their addresses there: they are taken before the rings are made.
	BALLAST.extend([{}, [], (number,), (number, number), 0.5 * number, {"a": 0}] for number in range(2000))
	rings(rows)
	leaked(more)
	KEPT.extend(value for value, _size in rows) if part == "healthy" else None
	with open(truth, "w", encoding="ascii") as out:
		out.write("#version\t%s\n" % sys.version.split()[0])
		note(out, "kept" if part == "healthy" else "garbage", rows)
		note(out, "leaked", more)
		note(out, "kept", [(entry, sys.getsizeof(entry)) for entry in CACHE.values()])
		note(out, "weak", [(weak, sys.getsizeof(weak)) for weak in WEAK])
	rows.clear()
	more.clear()
	del rows, more, out
	scrub(400)
	collected(truth)
	write, ready, wait = os.write, b"ready \n", signal.pause
	write(1, ready)
	wait()


main(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "")
