"""marks.py - run by gdb in a Go process: stop it where marking has just ended, dump it, write its mark bits.

make_go_cores.py sets CORE, MARKS and FIFO.  One row a marked object (`marked address size`) and one for each
that is allocated and not marked (`unmarked address size`), from the runtime's own structures, found by its DWARF.
"""
import struct

import gdb

PAGE = 8192
ARENA = 64 << 20
ARENA_BASE = 0xFFFF800000000000


class Struct:
	"""Reads one runtime structure's numbers by the names of its fields."""

	def __init__(self, name):
		self.type = gdb.lookup_type(name)
		self.fields = {}
		self.add(self.type, 0)

	def add(self, kind, base, prefix=""):
		for field in kind.fields():
			at, inner = base + field.bitpos // 8, field.type.strip_typedefs()
			name = prefix + (field.name or "")
			self.fields[name] = (at, inner.sizeof)
			if inner.code == gdb.TYPE_CODE_STRUCT:
				self.add(inner, at, name + ".")

	def read(self, memory, name):
		at, size = self.fields[name]
		return int.from_bytes(memory[at:at + size], "little")


def read(address, size):
	return bytes(gdb.selected_inferior().read_memory(address, size))


def word(address):
	return struct.unpack("<Q", read(address, 8))[0]


def has_bit(bits, i):
	return bits[i >> 3] >> (i & 7) & 1


def symbol(name):
	return int(gdb.parse_and_eval(f"(unsigned long)&'{name}'"))


class Heap:
	def __init__(self):
		self.mheap = Struct("runtime.mheap")
		self.span = Struct("runtime.mspan")
		self.arena = Struct("runtime.heapArena")
		at = symbol("runtime.mheap_")
		self.arenas = word(at + self.mheap.fields["arenas"][0])
		self.all_at, self.n_all = struct.unpack("<QQ", read(at + self.mheap.fields["allspans"][0], 16))
		self.state = next(name for name in ("state.s.value", "state.s") if name in self.span.fields)

	def spans(self):
		for (at,) in struct.iter_unpack("<Q", read(self.all_at, 8 * self.n_all)):
			memory = read(at, self.span.type.sizeof)
			if self.span.read(memory, self.state) == 1:	# mSpanInUse
				yield memory

	def inline_marks(self, base):
		"""The marks at the end of a span that keeps them there, since Go 1.25."""
		field = self.arena.fields.get("pageUseSpanInlineMarkBits")
		if not field:
			return None
		arena = word(self.arenas + 8 * ((base - ARENA_BASE) % (1 << 64) // ARENA))
		page = base % ARENA // PAGE
		if not read(arena + field[0] + page // 8, 1)[0] >> page % 8 & 1:
			return None
		inline = Struct("runtime.spanInlineMarkBits")
		at, size = inline.fields["marks"]
		return read(base + PAGE - inline.type.sizeof + at, size)

	def objects(self):
		"""(address, size, whether marked) of every allocated object."""
		for memory in self.spans():
			base, size, n, free, mark_at, alloc_at = (self.span.read(memory, name) for name in (
				"startAddr", "elemsize", "nelems", "freeindex", "gcmarkBits", "allocBits"))
			alloc = read(alloc_at, n + 7 >> 3)
			marks = self.inline_marks(base) or read(mark_at, n + 7 >> 3)
			for i in range(n):
				if i < free or has_bit(alloc, i):
					yield base + i * size, size, has_bit(marks, i)


gdb.execute("set pagination off")
gdb.execute("set language c")
gdb.execute("handle SIGURG nostop noprint pass")
gdb.execute("break *" + hex(symbol("runtime.gcMarkTermination")))
with open(FIFO, "w", encoding="ascii") as fifo:
	fifo.write("\n")
gdb.execute("continue")
gdb.execute(f"gcore {CORE}")
with open(MARKS, "w", encoding="ascii") as out:
	for address, size, marked in Heap().objects():
		out.write(f"{'marked' if marked else 'unmarked'}\t{address:x}\t{size}\n")
gdb.execute("delete")
gdb.execute("kill")
