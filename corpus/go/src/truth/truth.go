// Package truth writes down what a corpus program holds and what it has let go, then stops for a core.
//
// Nothing here may keep an object alive or allocate one: rows and text lie in mappings of their own,
// addresses are masked, files are written by system calls, and the mappings are gone before "ready".
// The figures are the runtime's own, read just before; see ../../README.md for the file.
package truth

import (
	"reflect"
	"runtime"
	"runtime/debug"
	"syscall"
	"time"
	"unsafe"
)

// State is what the collector must find out about an object.
type State uint8

const (
	Live    State = iota // reachable when the core is taken
	Dropped              // reachable at the last collection, let go since: allocated, unreachable
	Freed                // let go before the last collections: its slot is free, or another object's
	Unknown              // not for this program to say
)

var stateNames = [...]string{"live", "dropped", "freed", "unknown"}

// Nothing is for a program that has nothing to do at some point.
func Nothing() {}

const (
	mask    = 0xA5A5A5A5A5A5A5A5 & (1<<(8*unsafe.Sizeof(uintptr(0))-1)<<1 - 1)
	maxRows = 1 << 16
	maxText = 8 << 20
)

type row struct {
	masked, size uintptr
	name         string // of a type descriptor, or a constant: never on the heap
	state        State
	what         string
}

var (
	rows    *[maxRows]row
	nRows   int
	text    *[maxText]byte
	nText   int
	stats   runtime.MemStats
	again   runtime.MemStats
	fd      = -1
	stackFd = -1
)

func mapping(size uintptr) unsafe.Pointer {
	at, _, errno := syscall.RawSyscall6(syscall.SYS_MMAP, 0, size, syscall.PROT_READ|syscall.PROT_WRITE,
		syscall.MAP_ANON|syscall.MAP_PRIVATE, ^uintptr(0), 0)
	if errno != 0 {
		panic("no memory for the truth")
	}
	return *(*unsafe.Pointer)(unsafe.Pointer(&at))
}

// Begin opens PATH and PATH.stacks.
func Begin(path string) {
	debug.SetGCPercent(-1)
	debug.SetTraceback("system")
	rows = (*[maxRows]row)(mapping(unsafe.Sizeof([maxRows]row{})))
	text = (*[maxText]byte)(mapping(maxText))
	open := func(path string) int {
		fd, err := syscall.Open(path, syscall.O_CREAT|syscall.O_WRONLY|syscall.O_TRUNC|syscall.O_CLOEXEC, 0o644)
		if err != nil {
			panic(err)
		}
		return fd
	}
	fd, stackFd = open(path), open(path+".stacks")
}

// Note takes one row down. What is "object" for Go's, or what a cgo program calls its own.
func Note(what string, p unsafe.Pointer, size uintptr, name string, state State) {
	r := &rows[nRows]
	nRows++
	r.masked, r.size, r.name, r.state, r.what = uintptr(p)^mask, size, name, state, what
}

// Obj notes *p under its type's name and returns p.
func Obj[T any](p *T, state State) *T {
	Note("object", unsafe.Pointer(p), unsafe.Sizeof(*p), reflect.TypeOf(p).Elem().String(), state)
	return p
}

// Slice notes the array behind s, as far as its capacity goes.
func Slice[T any](s []T, state State) []T {
	var elem T
	Note("object", unsafe.Pointer(&s[:1][0]), uintptr(cap(s))*unsafe.Sizeof(elem), reflect.TypeOf(s).String(), state)
	return s
}

// Bytes notes the bytes of a string made at run time.
func Bytes(s string, state State) string {
	h := (*[2]uintptr)(unsafe.Pointer(&s))
	Note("object", *(*unsafe.Pointer)(unsafe.Pointer(&h[0])), h[1], "string", state)
	return s
}

// Ref notes what a map, channel or func value points to: m is one word.
func Ref[T any](m T, state State) T {
	Note("object", *(*unsafe.Pointer)(unsafe.Pointer(&m)), 0, reflect.TypeOf(&m).Elem().String(), state)
	return m
}

// --- text, without allocating -------------------------------------------------------------------

func put(s string) {
	nText += copy(text[nText:], s)
}

func putNumber(n uint64, base uint64) {
	var digits [20]byte
	i := len(digits)
	for {
		i--
		digits[i] = "0123456789abcdef"[n%base]
		n /= base
		if n == 0 {
			break
		}
	}
	nText += copy(text[nText:], digits[i:])
}

// Total is one figure.
func Total(key string, value uint64) {
	put("#total\t")
	put(key)
	put("\t")
	putNumber(value, 10)
	put("\n")
}

func writeOut(fd, at, n int) {
	for n > 0 {
		done, _, errno := syscall.RawSyscall(syscall.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(&text[at])), uintptr(n))
		if errno != 0 {
			panic("cannot write the truth")
		}
		at += int(done)
		n -= int(done)
	}
}

func flush(fd int) {
	writeOut(fd, 0, nText)
	nText = 0
}

func putRows() {
	for i := 0; i < nRows; i++ {
		r := &rows[i]
		put(r.what)
		put("\t")
		putNumber(uint64(r.masked^mask), 16)
		put("\t")
		putNumber(uint64(r.size), 10)
		put("\t")
		put(r.name)
		put("\t")
		put(stateNames[r.state])
		put("\n")
	}
}

func putStats(m *runtime.MemStats) {
	for _, f := range [...]struct {
		name  string
		value uint64
	}{
		{"Alloc", m.Alloc}, {"TotalAlloc", m.TotalAlloc}, {"Sys", m.Sys}, {"Mallocs", m.Mallocs}, {"Frees", m.Frees},
		{"HeapAlloc", m.HeapAlloc}, {"HeapSys", m.HeapSys}, {"HeapIdle", m.HeapIdle}, {"HeapInuse", m.HeapInuse},
		{"HeapReleased", m.HeapReleased}, {"HeapObjects", m.HeapObjects}, {"StackInuse", m.StackInuse},
		{"StackSys", m.StackSys}, {"MSpanInuse", m.MSpanInuse}, {"MSpanSys", m.MSpanSys}, {"MCacheInuse", m.MCacheInuse},
		{"MCacheSys", m.MCacheSys}, {"BuckHashSys", m.BuckHashSys}, {"GCSys", m.GCSys}, {"OtherSys", m.OtherSys},
		{"NextGC", m.NextGC}, {"LastGC", m.LastGC}, {"PauseTotalNs", m.PauseTotalNs}, {"NumGC", uint64(m.NumGC)},
		{"NumForcedGC", uint64(m.NumForcedGC)},
	} {
		put("#total\tmemstats.")
		put(f.name)
		put("\t")
		putNumber(f.value, 10)
		put("\n")
	}
	for i := range m.BySize {
		s := &m.BySize[i]
		if s.Mallocs != s.Frees {
			put("#total\tbysize.")
			putNumber(uint64(s.Size), 10)
			put("\t")
			putNumber(s.Mallocs-s.Frees, 10)
			put("\n")
		}
	}
}

// --- the end --------------------------------------------------------------------------------------

// Settle lets everything come to rest and collects twice, so that what was freed is swept and pools are empty.
// The program may put things into pools between the two, and after. Then release lets go of things and allocates nothing.
//
//go:noinline
func Settle(between, after, release func()) {
	time.Sleep(200 * time.Millisecond)
	runtime.GC()
	time.Sleep(20 * time.Millisecond)
	between()
	runtime.GC()
	time.Sleep(20 * time.Millisecond)
	after()
	runtime.ReadMemStats(&stats)
	Total("gc.HeapAlloc", stats.HeapAlloc)
	Total("gc.HeapObjects", stats.HeapObjects)
	release()
	time.Sleep(100 * time.Millisecond)
	before := stats.Mallocs
	for i := 0; i < 50; i++ {
		runtime.ReadMemStats(&again)
		time.Sleep(20 * time.Millisecond)
		runtime.ReadMemStats(&stats)
		if stats.Mallocs == again.Mallocs && stats.HeapReleased == again.HeapReleased && stats.Sys == again.Sys {
			break
		}
	}
	Total("allocated_since_gc", stats.Mallocs-before)
}

// Write closes the truth: the last figures that the runtime gives, what late() still makes and notes, and
// every goroutine as the runtime prints it.
//
//go:noinline
func Write(late func()) {
	Total("goroutines", uint64(runtime.NumGoroutine()))
	Total("gomaxprocs", uint64(runtime.GOMAXPROCS(0)))
	runtime.ReadMemStats(&stats)
	putStats(&stats)
	late()
	writeOut(stackFd, nText, runtime.Stack(text[nText:], true))
	putRows()
	flush(fd)
}

// Unmap takes the rows out of the process: the core must not hold the truth.
func Unmap() {
	syscall.RawSyscall(syscall.SYS_MUNMAP, uintptr(unsafe.Pointer(rows)), unsafe.Sizeof(*rows), 0)
	rows = nil
	syscall.RawSyscall(syscall.SYS_MUNMAP, uintptr(unsafe.Pointer(text)), maxText, 0)
	text = nil
}

var word [1]byte

// Say writes one line to standard output. It allocates nothing.
func Say(line string) {
	h := (*[2]uintptr)(unsafe.Pointer(&line))
	syscall.RawSyscall(syscall.SYS_WRITE, 1, h[0], h[1])
}

// Wait sleeps in a read of standard input until the core is there, then says what has been allocated
// meanwhile (nothing, it is to be hoped) and what one more collection leaves.
//
//go:noinline
func Wait() {
	syscall.Read(0, word[:])
	mallocs := stats.Mallocs
	runtime.ReadMemStats(&again)
	text = (*[maxText]byte)(mapping(maxText))
	Total("after.mallocs", again.Mallocs-mallocs)
	runtime.GC()
	runtime.ReadMemStats(&again)
	Total("after.HeapAlloc", again.HeapAlloc)
	Total("after.HeapObjects", again.HeapObjects)
	flush(fd)
	Say("done\n")
	syscall.Read(0, word[:])
}
