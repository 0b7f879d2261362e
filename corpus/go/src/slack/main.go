// Slack holds room that it does not use: maps after deletion, arrays behind short slices, the same
// contents many times; and beside each a healthy one that nobody should name.
//
//	slack TRUTH [healthy]
//
// With "healthy" all of it is repaired in the end: its rows say what was there before.
//
// Rows of its own: what it built, in the runtime's words (len, cap), and what HeapAlloc grew by.
package main

import (
	"bytes"
	"corpus/truth"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"
)

// Record is 40 bytes with pointers.
type Record struct {
	Key   string
	Value []byte
}

// Entry is what maps hold by pointer.
type Entry struct {
	ID  int64
	Pad [24]byte
}

// Holder knows an array otherwise than by slices.
type Holder struct {
	Raw  unsafe.Pointer
	Elem *byte
}

var (
	dead    map[int64]int64          // 1% left
	half    map[string]*Entry        // 30% left
	keyed   map[*Entry]struct{}      // healthy
	wide    map[[40]byte][200]uint16 // elements stand outside
	emptied map[int32]int32          // nothing left
	cleared map[uint16]string        // the same, one group or bucket
	tiny    map[string]int           // three entries
	healthy map[int]int              // as make() made it
	growing map[uint32]uint64        // one entry past a doubling

	sub       []byte
	middle    []byte
	subString string
	pair      [2][]byte // two parts of one array
	covered   [2][]byte // two halves of one array
	many      []string  // a few bytes, each of its own array
	records   []Record
	numbers   []uint32
	filled    []uint64
	buffers   []*bytes.Buffer
	drained   bytes.Buffer
	halfRead  bytes.Buffer
	builder   strings.Builder
	none      []Record
	held      [2][]byte // Holder knows these as well
	holder    Holder
	boxed     interface{}

	copies   []string
	byteRows [][]byte
	distinct []string
	zeros    [][]byte

	kept, dropped *Entry

	stats runtime.MemStats
	sink  int
)

// The runtime's own objects come first: what they take must not be counted as a map's.
//
//go:noinline
func warmUp() {
	done := make(chan bool)
	for i := 0; i < 8; i++ {
		go func() {
			time.Sleep(time.Millisecond)
			done <- true
		}()
	}
	for i := 0; i < 8; i++ {
		<-done
	}
	for i := 0; i < 20; i++ {
		heap()
		time.Sleep(time.Millisecond)
	}
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}

// What a map is, by its one word; what it takes without its keys' and elements' own objects.
func noteMap[M any](m M, length int, name string, bytes uint64) {
	truth.Note("map", *(*unsafe.Pointer)(unsafe.Pointer(&m)), uintptr(length), name, truth.Live)
	truth.Total("storage."+name, bytes)
}

//go:noinline
func maps() {
	at := heap()
	dead = make(map[int64]int64)
	for i := int64(0); i < 20000; i++ {
		dead[i] = i
	}
	grown := heap() - at
	for i := int64(0); i < 20000; i++ {
		if i%100 != 0 {
			delete(dead, i)
		}
	}
	noteMap(dead, len(dead), "dead", grown)

	entries := make([]*Entry, 6000)
	keys := make([]string, len(entries))
	for i := range entries {
		entries[i] = &Entry{ID: int64(i)}
		keys[i] = "key number " + strconv.Itoa(i)
	}
	at = heap()
	half = make(map[string]*Entry)
	for i, e := range entries {
		half[keys[i]] = e
	}
	grown = heap() - at
	for i := range entries {
		if i%10 >= 3 {
			delete(half, keys[i])
		}
	}
	noteMap(half, len(half), "half", grown)

	at = heap()
	keyed = make(map[*Entry]struct{})
	for _, e := range entries {
		keyed[e] = struct{}{}
	}
	noteMap(keyed, len(keyed), "keyed", heap()-at)

	wide = make(map[[40]byte][200]uint16)
	for i := 0; i < 100; i++ {
		wide[[40]byte{byte(i)}] = [200]uint16{uint16(i)}
	}
	noteMap(wide, len(wide), "wide", 0)

	at = heap()
	emptied = make(map[int32]int32)
	for i := int32(0); i < 5000; i++ {
		emptied[i] = i
	}
	grown = heap() - at
	for i := int32(0); i < 5000; i++ {
		delete(emptied, i)
	}
	noteMap(emptied, len(emptied), "emptied", grown)

	at = heap()
	cleared = map[uint16]string{1: "one", 2: "two"}
	grown = heap() - at
	delete(cleared, 1)
	delete(cleared, 2)
	noteMap(cleared, len(cleared), "cleared", grown)

	at = heap()
	tiny = map[string]int{"a": 1, "b": 2, "c": 3}
	noteMap(tiny, len(tiny), "tiny", heap()-at)

	at = heap()
	healthy = make(map[int]int, 3000)
	for i := 0; i < 3000; i++ {
		healthy[i] = i
	}
	noteMap(healthy, len(healthy), "healthy", heap()-at)

	at = heap()
	growing = make(map[uint32]uint64)
	for i := uint32(0); i <= 13*256; i++ {
		growing[i] = uint64(i)
	}
	noteMap(growing, len(growing), "growing", heap()-at)
	runtime.KeepAlive(entries)
	runtime.KeepAlive(keys)
}

// An array of `size` bytes of which `used` are in use; what is one word of what heapfx is to say, or "quiet".
func noteArray(p unsafe.Pointer, used, size uintptr, what string) {
	truth.Note("array", p, used, what+" "+strconv.Itoa(int(size)), truth.Live)
}

func data(s string) unsafe.Pointer {
	return *(*unsafe.Pointer)(unsafe.Pointer(&s))
}

func made(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*7 + n)
	}
	return b
}

//go:noinline
func slices() {
	b := made(1 << 20)
	sub = b[4096:4112:4112]
	noteArray(unsafe.Pointer(&b[0]), 16, 1<<20, "subslice")

	b = made(256 << 10)
	middle = b[128<<10 : 128<<10+100]
	noteArray(unsafe.Pointer(&b[0]), 100, 256<<10, "subslice")

	s := strings.Repeat("0123456789abcdef", 8<<10)
	subString = s[1000:1010]
	noteArray(data(s), 10, 128<<10, "subslice")

	b = made(64 << 10)
	pair = [2][]byte{b[:10:10], b[60<<10:][:20:20]}
	noteArray(unsafe.Pointer(&b[0]), 30, 64<<10, "subslice")

	b = made(64 << 10)
	covered = [2][]byte{b[: 32<<10 : 32<<10], b[32<<10:]}
	noteArray(unsafe.Pointer(&b[0]), 64<<10, 64<<10, "quiet")

	for i := 0; i < 50; i++ {
		t := strings.Repeat(string(rune('a'+i%26)), 8192)
		many = append(many, t[100:108])
		noteArray(data(t), 8, 8192, "subslice")
	}

	records = make([]Record, 100, 10000)
	noteArray(unsafe.Pointer(&records[0]), 100*40, 10000*40, "capacity")
	numbers = append(make([]uint32, 0, 20000), 1, 2, 3)
	noteArray(unsafe.Pointer(&numbers[0]), 3*4, 20000*4, "capacity")
	filled = make([]uint64, 7000, 10000)
	noteArray(unsafe.Pointer(&filled[0]), 7000*8, 10000*8, "quiet")
	none = make([]Record, 0, 1000)
	noteArray(unsafe.Pointer(&none[:1][0]), 0, 1000*40, "empty")

	for i := 0; i < 20; i++ {
		room := make([]byte, 0, 16384)
		buffer := bytes.NewBuffer(room)
		buffer.WriteString("0123456789")
		buffers = append(buffers, buffer)
		noteArray(unsafe.Pointer(&room[:1][0]), 10, 16384, "capacity")
	}
	b = made(128 << 10)
	drained = *bytes.NewBuffer(b)
	drained.Next(128 << 10)
	noteArray(unsafe.Pointer(&b[0]), 0, 128<<10, "empty")
	b = made(128 << 10)
	halfRead = *bytes.NewBuffer(b)
	halfRead.Next(120 << 10)
	noteArray(unsafe.Pointer(&b[0]), 8<<10, 128<<10, "capacity")
	builder.Grow(32 << 10)
	builder.WriteString("few")
	noteArray(data(builder.String()), 3, 32<<10, "capacity")

	b = made(96 << 10)
	held[0] = b[100:110]
	holder.Raw = unsafe.Pointer(&b[0])
	noteArray(unsafe.Pointer(&b[0]), 10, 96<<10, "quiet")
	b = made(96 << 10)
	held[1] = b[100:110]
	holder.Elem = &b[5000]
	noteArray(unsafe.Pointer(&b[0]), 10, 96<<10, "quiet")
	b = made(48 << 10)
	boxed = b[8:24]
	noteArray(unsafe.Pointer(&b[0]), 16, 48<<10, "subslice")
}

// The same contents `count` times, each in a block of its own that is at least `length` long.
func noteCopies(count, length int) {
	truth.Note("copies", nil, uintptr(count), strconv.Itoa(length), truth.Live)
}

//go:noinline
func contents() {
	for i := 0; i < 3000; i++ {
		copies = append(copies, strings.Repeat("same words ", 4)+strconv.Itoa(7))
	}
	noteCopies(3000, 45)
	copies = append(copies, copies[0], copies[1][:20]) // no copies: the same blocks
	for i := 0; i < 500; i++ {
		byteRows = append(byteRows, made(1000))
	}
	noteCopies(500, 1000)
	for i := 0; i < 300; i++ {
		distinct = append(distinct, "a text that stands once only: "+strconv.Itoa(10000+i))
		zeros = append(zeros, make([]byte, 2048))
	}
}

//go:noinline
func entries() {
	kept = truth.Obj(&Entry{ID: 1}, truth.Live)
	dropped = truth.Obj(&Entry{ID: 2}, truth.Dropped)
}

// What is said under "what to do": rebuild, copy the part that is kept, shrink, share one copy.
//
//go:noinline
func repair() {
	rebuilt := make(map[int64]int64, len(dead))
	for k, v := range dead {
		rebuilt[k] = v
	}
	dead = rebuilt
	fresh := make(map[string]*Entry, len(half))
	for k, v := range half {
		fresh[k] = v
	}
	half = fresh
	emptied, cleared = nil, nil

	sub, middle = copied(sub), copied(middle)
	subString = strings.Clone(subString)
	pair = [2][]byte{copied(pair[0]), copied(pair[1])}
	for i := range many {
		many[i] = strings.Clone(many[i])
	}
	records = append(make([]Record, 0, len(records)), records...)
	numbers = append(make([]uint32, 0, len(numbers)), numbers...)
	none = nil
	for i := range buffers {
		buffers[i] = bytes.NewBufferString(buffers[i].String())
	}
	drained = bytes.Buffer{}
	halfRead = *bytes.NewBuffer(copied(halfRead.Bytes()))
	words := builder.String()
	builder.Reset()
	builder.WriteString(words)
	boxed = copied(boxed.([]byte))

	for i := range copies {
		copies[i] = copies[0]
	}
	for i := range byteRows {
		byteRows[i] = byteRows[0]
	}
}

func copied(b []byte) []byte { return append(make([]byte, 0, len(b)), b...) }

//go:noinline
func release() {
	dropped = nil
}

func main() {
	truth.Begin(os.Args[1])
	debug.SetGCPercent(-1)
	warmUp()
	maps()
	slices()
	contents()
	entries()
	if len(os.Args) > 2 && os.Args[2] == "healthy" {
		repair()
		truth.Total("healthy", 1)
	}
	truth.Settle(truth.Nothing, truth.Nothing, release)
	truth.Write(truth.Nothing)
	truth.Unmap()
	truth.Say("ready\n")
	truth.Wait()
	syscall.Exit(sink)
}
