#!/usr/bin/python3
"""synth.py - hostile inputs: ELF cores from a literal description, and real cores made worse.

	synth.py list
	synth.py write OUTDIR [NAME...]

Each builder returns the bytes of one file, and is registered with what heapfx must make of it:
`status` is the set of exit statuses that are right, `says` what has to stand among the problems
or in the one error, in words (the tests decide how to look for it).  Nothing here is random.

	import synth
	case = synth.CASES["note-descsz-lies"]
	path.write_bytes(case.build())
"""
import dataclasses
import pathlib
import struct
import subprocess
import sys
import zlib

HERE = pathlib.Path(__file__).resolve().parent
PT_LOAD, PT_DYNAMIC, PT_NOTE, PT_PHDR = 1, 2, 4, 6
ET_EXEC, ET_CORE = 2, 4
EM_386, EM_PPC64, EM_X86_64 = 3, 21, 62
NT_PRSTATUS, NT_PRPSINFO, NT_AUXV, NT_FILE = 1, 3, 6, 0x46494C45
NT_FPREGSET, NT_X86_XSTATE = 2, 0x202
PN_XNUM = 0xFFFF
U64 = 1 << 64
PAGE = 4096


@dataclasses.dataclass(frozen=True)
class Case:
	name: str
	build: object		# () -> bytes
	status: frozenset	# exit statuses that are right
	says: str		# what must be reported


CASES = {}


def case(name, status, says):
	"""Registers a builder.  Damage is the normal case: status 0 and a listed problem."""
	def register(build):
		allowed = frozenset((status,) if isinstance(status, int) else status)
		CASES[name] = Case(name, build, allowed, says)
		return build
	return register


# --- the writer -------------------------------------------------------------------------------

@dataclasses.dataclass
class Segment:
	"""One program header and its bytes; offset, filesz and memsz only to lie about them."""
	vaddr: int = 0
	data: bytes = b""
	type: int = PT_LOAD
	flags: int = 6
	memsz: int = None
	filesz: int = None
	offset: int = None


def note(kind, desc, name=b"CORE\0", namesz=None, descsz=None):
	head = struct.pack("<III", len(name) if namesz is None else namesz,
		len(desc) if descsz is None else descsz, kind)
	return head + name.ljust(-len(name) % 4 + len(name), b"\0") + desc.ljust(
		-len(desc) % 4 + len(desc), b"\0")


def prstatus(tid, sp=0x7FFF00001000, pc=0x400000):
	"""struct elf_prstatus of x86-64: 336 bytes, the registers at 112."""
	desc = bytearray(336)
	struct.pack_into("<I", desc, 32, tid)
	struct.pack_into("<Q", desc, 112 + 16 * 8, pc)
	struct.pack_into("<Q", desc, 112 + 19 * 8, sp)
	return note(NT_PRSTATUS, bytes(desc))


def prpsinfo(command=b"synth", arguments=b"synth --hostile"):
	desc = bytearray(136)
	struct.pack_into("<I", desc, 24, 1000)
	desc[40:40 + len(command)] = command
	desc[56:56 + len(arguments)] = arguments
	return note(NT_PRPSINFO, bytes(desc))


def auxv(pairs):
	return note(NT_AUXV, b"".join(struct.pack("<QQ", *pair) for pair in (*pairs, (0, 0))))


def nt_file(rows, count=None):
	desc = struct.pack("<QQ", len(rows) if count is None else count, PAGE)
	desc += b"".join(struct.pack("<QQQ", start, end, page) for start, end, page, _path in rows)
	return note(NT_FILE, desc + b"".join(path + b"\0" for *_range, path in rows))


NOTES = prstatus(1000) + prpsinfo()
DATA = Segment(0x600000, b"\x11" * PAGE)
STACK = Segment(0x7FFF00000000, b"\0" * (2 * PAGE))


def elf(segments, notes=NOTES, kind=ET_CORE, machine=EM_X86_64, ident=b"\x02\x01\x01",
	phnum=None, sh_info=None, phentsize=56, phoff=64):
	"""A little-endian ELF64 file: header, program headers, section header 0 if asked, bytes."""
	segments = ([Segment(0, notes, PT_NOTE, 0, 0)] if notes else []) + list(segments)
	count = len(segments)
	where = 64 + 56 * count
	section = b""
	shoff = 0
	if sh_info is not None:
		shoff, section = where, struct.pack("<IIQQQQIIQQ", *(0,) * 7, sh_info, 0, 0)
		where += 64
	headers, bodies = [], []
	for s in segments:
		filesz = len(s.data) if s.filesz is None else s.filesz
		headers.append(struct.pack("<IIQQQQQQ", s.type, s.flags,
			where if s.offset is None else s.offset, s.vaddr, 0, filesz,
			len(s.data) if s.memsz is None else s.memsz, 1))
		bodies.append(s.data)
		where += len(s.data)
	header = b"\x7fELF" + ident + bytes(9) + struct.pack("<HHIQQQIHHHHHH", kind, machine, 1, 0,
		phoff, shoff, 0, 64, phentsize, count if phnum is None else phnum, 64,
		bool(section), 0)
	return header + b"".join(headers) + section + b"".join(bodies)


# --- files that are no such core -----------------------------------------------------------------

@case("empty", 3, "the file is empty")
def empty():
	return b""


@case("text", 3, "not a kind of dump that heapfx knows")
def text():
	return b"This is a text, and no dump of anything.\n" * 100


@case("magic-only", 3, "the ELF header is cut")
def magic_only():
	return b"\x7fELF"


@case("header-only", 3, "the program headers are cut")
def header_only():
	return elf([DATA, STACK])[:64]


@case("executable", 3, "an executable, not a core")
def executable():
	return elf([DATA], kind=ET_EXEC)


@case("elf32", 3, "a 32-bit core, refused by name")
def elf32():
	header = b"\x7fELF\x01\x01\x01" + bytes(9)
	return header + struct.pack("<HHIIIIIHHHHHH", ET_CORE, EM_386, 1, 0, 52, 0, 0, 52, 32, 1,
		0, 0, 0) + struct.pack(
		"<IIIIIIII", PT_LOAD, 84, 0x8048000, 0, 16, 16, 6, 1) + bytes(16)


@case("big-endian", 3, "a big-endian core, refused by name")
def big_endian():
	header = b"\x7fELF\x02\x02\x01" + bytes(9)
	return header + struct.pack(">HHIQQQIHHHHHH", ET_CORE, EM_PPC64, 1, 0, 64, 0, 0, 64, 56, 1,
		0, 0, 0) + struct.pack(
		">IIQQQQQQ", PT_LOAD, 6, 120, 0x10000, 0, 16, 16, 1) + bytes(16)


@case("other-machine", 3, "a core of an architecture that heapfx does not read, by its number")
def other_machine():
	return elf([DATA, STACK], machine=243)


# --- program headers ------------------------------------------------------------------------------

@case("plain", 0, "nothing: this is the sound core that the others differ from; no heap in it")
def plain():
	return elf([DATA, STACK])


@case("xnum", 0, "nothing: 70,000 segments by PN_XNUM are well-formed")
def xnum():
	n = 70000
	pages = [Segment(0x10000000 + i * 2 * PAGE, struct.pack("<QQ", i, ~i % U64), memsz=PAGE)
		for i in range(n - 1)]
	return elf(pages, phnum=PN_XNUM, sh_info=n)


@case("xnum-no-section", (0, 3), "PN_XNUM without a section header to hold the count")
def xnum_no_section():
	return elf([DATA, STACK], phnum=PN_XNUM)


@case("xnum-count-lies", (0, 3), "four billion program headers do not fit into the file")
def xnum_count_lies():
	return elf([DATA, STACK], phnum=PN_XNUM, sh_info=0xFFFFFFFF)


@case("phnum-lies", (0, 3), "the program header table runs past the end of the file")
def phnum_lies():
	return elf([DATA, STACK], phnum=60000)


@case("phentsize-wrong", 3, "program headers of another size than ELF64's")
def phentsize_wrong():
	return elf([DATA, STACK], phentsize=1)


@case("phoff-overflow", 3, "the program header table lies outside the file")
def phoff_overflow():
	return elf([DATA, STACK], phoff=U64 - 32)


@case("no-segments", (0, 3), "a core without any memory")
def no_segments():
	return elf([], notes=b"")


@case("overlap", 0, "overlapping segments; which of them was kept")
def overlap():
	return elf([DATA, Segment(0x600800, b"\x22" * PAGE), STACK])


@case("overlap-same", 0, "the same segment many times over")
def overlap_same():
	return elf([DATA] * 500 + [STACK])


@case("unsorted-segments", 0, "nothing: the order of program headers is free")
def unsorted_segments():
	return elf([STACK, DATA])


@case("offset-overflow", 0, "a segment whose offset and size overflow")
def offset_overflow():
	return elf([DATA, Segment(0x700000, filesz=1 << 63, memsz=1 << 63, offset=U64 - 16), STACK])


@case("vaddr-overflow", 0, "a segment that wraps around the end of the address space")
def vaddr_overflow():
	return elf([DATA, Segment(U64 - PAGE, b"\x33" * 64, memsz=2 * PAGE), STACK])


@case("filesz-over-memsz", 0, "a segment with more bytes in the file than in memory")
def filesz_over_memsz():
	return elf([Segment(0x600000, b"\x11" * PAGE, memsz=64), STACK])


@case("huge-memsz", 0, "nothing is read for what the file does not have; no memory is spent on it")
def huge_memsz():
	return elf([DATA, Segment(0x700000, memsz=1 << 46, filesz=0), STACK])


@case("truncated", 0, "the file ends early; which segments are cut, and that the rest is used")
def truncated():
	return elf([DATA, STACK])[:-PAGE]


# --- notes ------------------------------------------------------------------------------------

@case("no-threads", 0, "a core without NT_PRSTATUS: no threads, so no stacks or registers as roots")
def no_threads():
	return elf([DATA, STACK], notes=prpsinfo())


@case("no-notes", 0, "a core without notes")
def no_notes():
	return elf([DATA, STACK], notes=b"")


@case("note-namesz-lies", 0, "a note whose name runs past the notes; those before it are used")
def note_namesz_lies():
	return elf([DATA, STACK], notes=NOTES + note(NT_AUXV, b"", namesz=0xFFFFFFFF))


@case("note-descsz-lies", 0, "a note whose contents run past the notes; those before it are used")
def note_descsz_lies():
	return elf([DATA, STACK], notes=NOTES + note(NT_AUXV, b"", descsz=0xFFFFFFFC))


@case("note-prstatus-short", 0, "an NT_PRSTATUS too short for its registers")
def note_prstatus_short():
	return elf([DATA, STACK], notes=NOTES + note(NT_PRSTATUS, bytes(40)))


@case("notes-outside", 0, "a note segment outside the file")
def notes_outside():
	return elf([DATA, STACK, Segment(0, b"", PT_NOTE, filesz=PAGE, offset=1 << 40)])


def xstate(size=2432, xcr0=0xE7, present=0xE7, xcomp=0, name=b"LINUX\0"):
	"""An XSAVE area whose every other word is an address of the data segment."""
	desc = bytearray(struct.pack("<Q", 0x600010) * (size // 8) + bytes(size % 8))
	for at, value in ((464, xcr0), (512, present), (520, xcomp)):
		if at + 8 <= size:
			struct.pack_into("<Q", desc, at, value)
	return note(NT_X86_XSTATE, bytes(desc), name)


@case("xstate", 0, "nothing: an XSAVE area as AMD's processors have it")
def xstate_sound():
	return elf([DATA, STACK], notes=NOTES + xstate())


@case("xstate-short", 0, "an NT_X86_XSTATE too short for its header")
def xstate_short():
	return elf([DATA, STACK], notes=NOTES + xstate(500))


@case("xstate-cut", 0, "an NT_X86_XSTATE that ends before the components that it names")
def xstate_cut():
	return elf([DATA, STACK], notes=NOTES + xstate(600))


@case("xstate-xcr0-lies", 0, "an NT_X86_XSTATE with components that xcr0 does not have")
def xstate_xcr0_lies():
	return elf([DATA, STACK], notes=NOTES + xstate(xcr0=3, present=U64 - 1))


@case("xstate-all-ones", 0, "an NT_X86_XSTATE, compacted, that names all 63 components")
def xstate_all_ones():
	return elf([DATA, STACK], notes=NOTES + xstate(1024, U64 - 1, U64 - 1, U64 - 1))


@case("xstate-no-thread", 0, "an NT_X86_XSTATE before any thread, or nothing; no thread owns it")
def xstate_no_thread():
	return elf([DATA, STACK], notes=xstate() + prpsinfo())


@case("xstate-layout-lies", 0, "an NT_X86_XSAVE_LAYOUT whose offsets overflow")
def xstate_layout_lies():
	rows = [(2, 256, 0xFFFFFFF0, 0), (6, 512, 0xFFFFFE00, 0), (7, 0xFFFFFFFF, 1408, 0)]
	layout = b"".join(struct.pack("<IIII", *row) for row in rows) + b"tail"
	return elf([DATA, STACK], notes=NOTES + xstate() + note(0x205, layout, b"LINUX\0"))


@case("fpregset-short", 0, "an NT_FPREGSET too short for its registers")
def fpregset_short():
	return elf([DATA, STACK], notes=NOTES + note(NT_FPREGSET, bytes(100)))


@case("nt-file-count", 0, "an NT_FILE with more rows than it has bytes for")
def nt_file_count():
	rows = [(0x600000, 0x601000, 0, b"/usr/bin/synth")]
	return elf([DATA, STACK], notes=NOTES + nt_file(rows, count=1 << 60))


@case("nt-file-no-nul", 0, "an NT_FILE whose last path does not end")
def nt_file_no_nul():
	desc = struct.pack("<QQQQQ", 1, PAGE, 0x600000, 0x601000, 0) + b"/usr/bin/synth!"
	return elf([DATA, STACK], notes=NOTES + note(NT_FILE, desc))


@case("nt-file-backwards", 0, "an NT_FILE row that ends before it starts")
def nt_file_backwards():
	rows = [(0x601000, 0x600000, 0, b"/usr/bin/synth"), (0, U64 - 1, U64 - 1, b"/all")]
	return elf([DATA, STACK], notes=NOTES + nt_file(rows))


@case("auxv-endless", 0, "nothing, or an NT_AUXV without its end mark")
def auxv_endless():
	return elf([DATA, STACK], notes=NOTES + note(NT_AUXV, struct.pack("<QQ", 6, PAGE) * 100))


@case("hostile-names", 0, "names with control characters and markup, never shown raw")
def hostile_names():
	bad = b"\x1b[2J<script>&\"'\r\n\xff\xfe\xe2\x80\xae"
	rows = [(0x600000, 0x601000, 0, b"/usr/" + bad)]
	return elf([DATA, STACK], notes=prstatus(1000) + prpsinfo(bad[:15], bad) + nt_file(rows))


@case("link-map-loop", 0, "a list of loaded modules that loops, or nothing; it ends in any case")
def link_map_loop():
	base = 0x600000
	image = bytearray(PAGE)
	phdrs = struct.pack("<IIQQQQQQ", PT_PHDR, 4, 64, base + 64, 0, 112, 112, 8)
	phdrs += struct.pack("<IIQQQQQQ", PT_DYNAMIC, 6, 256, base + 256, 0, 32, 32, 8)
	image[64:64 + len(phdrs)] = phdrs
	struct.pack_into("<QQQQ", image, 256, 21, base + 512, 0, 0)	# DT_DEBUG -> r_debug
	struct.pack_into("<QQ", image, 512, 1, base + 640)
	for at, following in ((640, 768), (768, 640)):			# two link maps in a ring
		struct.pack_into("<QQQQQ", image, at, base, base + 1024, base + 256,
			base + following, base + following)
	entries = [(3, base + 64), (4, 56), (5, 2), (6, PAGE), (9, base)]
	return elf([Segment(base, bytes(image)), STACK], notes=NOTES + auxv(entries))


# --- bombs: a small file that unpacks to many gigabytes -----------------------------------------

BOMB_BYTES = 64 << 30


def bomb_head():
	"""A sound start, so that the reader goes on into what follows."""
	return elf([DATA, STACK, Segment(0x10000000, filesz=BOMB_BYTES, memsz=BOMB_BYTES)])


@case("zstd-bomb", (0, 3, 4), "a limit, or that the file is cut; within the memory and disk budget")
def zstd_bomb():
	"""A raw block with the head, then run-length blocks of zeros: 128 KiB from 4 bytes each."""
	head, run = bomb_head(), 1 << 17
	blocks = [struct.pack("<I", len(head) << 3)[:3] + head]
	blocks.append((struct.pack("<I", run << 3 | 1 << 1)[:3] + b"\0") * (BOMB_BYTES // run))
	blocks.append(struct.pack("<I", 1)[:3])		# an empty last block
	return struct.pack("<IBB", 0xFD2FB528, 0, 13 << 3) + b"".join(blocks)


def deflate_bomb(size):
	"""A raw deflate stream: the head, then one self-contained piece of zeros many times."""
	piece = 16 << 20
	packer = zlib.compressobj(9, zlib.DEFLATED, -15)
	stream = packer.compress(bomb_head()) + packer.flush(zlib.Z_FULL_FLUSH)
	zeros = packer.compress(bytes(piece)) + packer.flush(zlib.Z_FULL_FLUSH)
	return stream + zeros * (size // piece) + packer.flush()


@case("gzip-bomb", (0, 3, 4), "a limit, or that the file is cut; within the memory and disk budget")
def gzip_bomb():
	return b"\x1f\x8b\x08\0\0\0\0\0\0\x03" + deflate_bomb(8 << 30) + bytes(8)


@case("zip-bomb", (0, 3, 4), "a limit, or that the file is cut; within the memory and disk budget")
def zip_bomb():
	stream, name = deflate_bomb(8 << 30), b"core"
	size = len(bomb_head()) + (8 << 30)
	extra = struct.pack("<HHQQ", 1, 16, size, len(stream))
	local = struct.pack("<IHHHHHIIIHH", 0x04034B50, 45, 0, 8, 0, 0, 0, 0xFFFFFFFF, 0xFFFFFFFF,
		len(name), len(extra)) + name + extra
	central = struct.pack("<IHHHHHHIIIHHHHHII", 0x02014B50, 45, 45, 0, 8, 0, 0, 0, 0xFFFFFFFF,
		0xFFFFFFFF, len(name), len(extra), 0, 0, 0, 0, 0) + name + extra
	end = struct.pack("<IHHHHIIH", 0x06054B50, 0, 0, 1, 1, len(central),
		len(local) + len(stream), 0)
	return local + stream + central + end


# --- real cores made worse ------------------------------------------------------------------------

class Patient:
	"""A committed core of glibc 2.36, unpacked, whose memory can be read and overwritten."""

	def __init__(self, name):
		packed = HERE / name / "dump.zst"
		self.file = bytearray(subprocess.run(["zstd", "-dcq", "--long=27", packed],
			stdout=subprocess.PIPE, check=True).stdout)
		rows = (HERE / name / "truth.tsv").read_text("ascii").splitlines()
		self.live = {int(row.split("\t")[0], 16) for row in rows if not row.startswith("#")}
		phoff, = struct.unpack_from("<Q", self.file, 32)
		phnum, = struct.unpack_from("<H", self.file, 56)
		self.loads = []
		for i in range(phnum):
			kind, _flags, offset, vaddr, _p, filesz, _m, _a = struct.unpack_from(
				"<IIQQQQQQ", self.file, phoff + 56 * i)
			if kind == PT_LOAD and filesz:
				self.loads.append((vaddr, vaddr + filesz, offset))

	def offset(self, address):
		for start, end, offset in self.loads:
			if start <= address <= end - 8:
				return offset + address - start
		raise KeyError(hex(address))

	def get(self, address, form="<Q"):
		return struct.unpack_from(form, self.file, self.offset(address))[0]

	def put(self, address, value, form="<Q"):
		struct.pack_into(form, self.file, self.offset(address), value)

	def size(self, block):
		return self.get(block - 8) & ~7

	def tcache(self):
		"""The main thread's: the first chunk of the heap, 0x290 bytes before the next."""
		return min(self.live) - 0x290

	def first_cached(self):
		"""(bin, block) of the first tcache list that holds something."""
		for i in range(64):
			if self.get(self.tcache() + 2 * i, "<H"):
				return i, self.get(self.tcache() + 128 + 8 * i)
		raise KeyError("an empty tcache")

	def chunks(self):
		"""Every block address of the main heap, in order."""
		block = min(self.live)
		while self.size(block):
			yield block
			block += self.size(block)
			try:
				self.get(block - 8)
			except KeyError:
				return

	def binned(self):
		"""The blocks that hang in a bin: the chunk behind says so."""
		found = []
		for block in self.chunks():
			try:
				behind = self.get(block + self.size(block) - 8)
			except KeyError:
				break
			if not behind & 1:
				found.append(block)
		return found

	def fast_pair(self):
		"""Two blocks of one size, not live and in no bin, the first linked to the other."""
		idle = set(self.chunks()) - self.live - set(self.binned())
		cached = set()
		for i in range(64):
			block = self.get(self.tcache() + 128 + 8 * i)
			while block:
				cached.add(block)
				block = self.get(block) ^ block >> 12
		for block in sorted(idle - cached):
			following = (self.get(block) ^ block >> 12) + 16
			if self.size(block) <= 0x80 and following in idle - cached:
				return block, following
		raise KeyError("no fastbin of two")


def link(at, target):
	"""A pointer as safe-linking stores it at `at`."""
	return target ^ at >> 12


@case("tcache-loop", 0, "heap/corrupt: a tcache list that loops, with the block's address")
def tcache_loop():
	core = Patient("leakzoo.bookworm")
	i, block = core.first_cached()
	core.put(block, link(block, block))
	core.put(core.tcache() + 2 * i, 7, "<H")
	return bytes(core.file)


@case("tcache-wild", 0, "heap/corrupt: a tcache list that leads out of the heap")
def tcache_wild():
	core = Patient("leakzoo.bookworm")
	_i, block = core.first_cached()
	core.put(block, link(block, 0x4141414141414140))
	return bytes(core.file)


@case("tcache-count-lies", 0, "heap/corrupt, or nothing: a tcache count past its list")
def tcache_count_lies():
	core = Patient("leakzoo.bookworm")
	i, _block = core.first_cached()
	core.put(core.tcache() + 2 * i, 0xFFFF, "<H")
	return bytes(core.file)


@case("double-free-tcache", 0, "heap/corrupt: a block that is in tcache though it is in use")
def double_free_tcache():
	"""The list's only block leads to one that the program still holds."""
	core = Patient("leakzoo.bookworm")
	i, block = core.first_cached()
	held = next(b for b in core.chunks() if b in core.live and core.get(b) == 0)
	core.put(block, link(block, held))
	core.put(core.tcache() + 2 * i, 2, "<H")
	return bytes(core.file)


@case("double-free-fastbin", 0, "heap/corrupt: a fastbin list that loops (a, b, a), a double free")
def double_free_fastbin():
	core = Patient("heapshapes.bookworm")
	first, second = core.fast_pair()
	core.put(second, link(second, first - 16))
	return bytes(core.file)


@case("bin-loop", 0, "heap/corrupt: a bin whose list loops, with the chunk's address")
def bin_loop():
	core = Patient("heapshapes.bookworm")
	block = core.binned()[1]
	core.put(block, block - 16)
	core.put(block + 8, block - 16)
	return bytes(core.file)


@case("overrun", 0, "heap/corrupt: a size overwritten by the block before; the walk goes on after")
def overrun():
	"""A live block written 16 bytes too far with 'A's: the size behind it is gone."""
	core = Patient("leakzoo.bookworm")
	blocks = list(core.chunks())
	victim = next(b for b in blocks[300:] if b in core.live and b + core.size(b) in core.live)
	end = victim + core.size(victim) - 8
	for at in (end - 8, end):
		core.put(at, 0x4141414141414141)
	return bytes(core.file)


def with_size(index, size):
	core = Patient("leakzoo.bookworm")
	live = [b for b in core.chunks() if b in core.live]
	core.put(live[index] - 8, size)
	return bytes(core.file)


@case("size-zero", 0, "heap/corrupt: a chunk of size 0")
def size_zero():
	return with_size(400, 1)


@case("size-huge", 0, "heap/corrupt: a chunk that runs past the end of its heap")
def size_huge():
	return with_size(400, 0x7FFFFFFFFFFFFFF1)


@case("size-negative", 0, "heap/corrupt: a size that wraps around")
def size_negative():
	return with_size(400, U64 - 15)


@case("size-unaligned", 0, "heap/corrupt: a size that is no multiple of 16")
def size_unaligned():
	return with_size(400, 0x59)


@case("real-cut-half", 0, "the file ends early; blocks before the cut are still found")
def real_cut_half():
	core = Patient("leakzoo.bookworm")
	return bytes(core.file[:len(core.file) // 2])


@case("real-cut-notes", (0, 3), "the file ends within the notes")
def real_cut_notes():
	return bytes(Patient("leakzoo.bookworm").file[:3000])


def main():
	if sys.argv[1:2] == ["list"]:
		for entry in CASES.values():
			status = "/".join(map(str, sorted(entry.status)))
			print(f"{entry.name:22} {status:8} {entry.says}")
		return 0
	if sys.argv[1:2] == ["write"] and len(sys.argv) > 2:
		outdir = pathlib.Path(sys.argv[2])
		outdir.mkdir(parents=True, exist_ok=True)
		for name in sys.argv[3:] or CASES:
			(outdir / name).write_bytes(CASES[name].build())
		return 0
	print(__doc__, file=sys.stderr)
	return 2


if __name__ == "__main__":
	sys.exit(main())
