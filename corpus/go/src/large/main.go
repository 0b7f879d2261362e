// Large is one leak of a size that a first screen must show.
//
//	large TRUTH million	a map of a million entries, of which one in a hundred is left
//	large TRUTH rebuilt	the same map made anew
//	large TRUTH crowd	10,000 goroutines on a channel that nobody will close
//	large TRUTH pooled	as many on a channel that a sleeper will close
//	large TRUTH header	16 bytes of an array of 64 MiB
//	large TRUTH copied	the same 16 bytes in an array of their own
//	large TRUTH shared	buffers that went back to their pool while goroutines still have them
//	large TRUTH handed	goroutines that still have theirs, others in the pool
//	large TRUTH dirty	rows that went back to their pool with all their cells
//	large TRUTH wiped	rows whose cells were deleted before
//	large TRUTH undrawn	a pool that is filled and never drawn from
//	large TRUTH drawn	as many, each drawn before it is put
//	large TRUTH ring	rings of two, one of them with a finalizer
//	large TRUTH chain	the same, the finalizer on what nothing behind it leads to
package main

import (
	"corpus/truth"
	"os"
	"runtime"
	"sync"
	"syscall"
	"time"
	"unsafe"
)

// Session is what a map keeps by number.
type Session struct {
	ID   int64
	Name string
}

// Task is what nobody sends.
type Task struct{ Body [64]byte }

// Buffer is what a pool has.
type Buffer struct{ Bytes [8 << 10]byte }

// Row is what a pool has, with cells by name.
type Row struct{ Cells map[int]*Cell }

// Cell is what was left in a row.
type Cell struct{ Text [256]byte }

// Conn knows its session, which knows it.
type Conn struct {
	Session *Conn
	Input   [4 << 10]byte
}

const (
	entries = 1000000
	crowd   = 10000
	huge    = 64 << 20
	pooled  = 400
	cells   = 40
	rings   = 2000
)

var (
	sessions map[int64]*Session
	header   []byte

	buffers = sync.Pool{New: func() interface{} { return new(Buffer) }}
	rows    = sync.Pool{New: func() interface{} { return &Row{Cells: map[int]*Cell{}} }}
	put     sync.Pool
	conns   []*Conn

	between, after = truth.Nothing, truth.Nothing // collections
)

//go:noinline
func worker(tasks chan *Task, scratch *[256]byte) {
	t := <-tasks
	scratch[0] = t.Body[0]
}

//go:noinline
func sleeper(tasks chan *Task) {
	time.Sleep(24 * time.Hour)
	close(tasks)
}

//go:noinline
func fill() map[int64]*Session {
	m := make(map[int64]*Session)
	for i := int64(0); i < entries; i++ {
		m[i] = &Session{ID: i}
	}
	for i := int64(0); i < entries; i++ {
		if i%100 != 0 {
			delete(m, i)
		}
	}
	return m
}

//go:noinline
func rebuild(old map[int64]*Session) map[int64]*Session {
	m := make(map[int64]*Session, len(old))
	for k, v := range old {
		m[k] = v
	}
	return m
}

//go:noinline
func wait(what string) {
	tasks := make(chan *Task)
	for i := 0; i < crowd; i++ {
		go worker(tasks, new([256]byte))
	}
	if what == "pooled" {
		go sleeper(tasks)
		what = "quiet"
	} else {
		what = "stuck"
	}
	truth.Note(what, *(*unsafe.Pointer)(unsafe.Pointer(&tasks)), crowd, "main.worker -", truth.Live)
}

//go:noinline
func read(copied bool) {
	all := make([]byte, huge)
	all[100] = 1
	header = all[100:116]
	if copied {
		header = append([]byte(nil), header...)
	}
	truth.Note("array", unsafe.Pointer(&header[0]), 16, "subslice 67108864", truth.Live)
}

// Holds a buffer over a wait that ends.
//
//go:noinline
func serve(tasks chan *Task, b *Buffer) {
	t := <-tasks
	b.Bytes[0] = t.Body[0]
}

//go:noinline
func share(back bool) {
	tasks := make(chan *Task)
	after = func() {
		all := make([]*Buffer, pooled)
		for i := range all {
			all[i] = buffers.Get().(*Buffer)
			go serve(tasks, all[i])
		}
		for i := range all {
			if back {
				buffers.Put(all[i])
			}
		}
		go sleeper(tasks)
	}
}

//go:noinline
func fillRow(wipe bool) *Row {
	r := &Row{Cells: make(map[int]*Cell, cells)}
	for i := 0; i < cells; i++ {
		r.Cells[i] = new(Cell)
	}
	for i := 0; i < cells && wipe; i++ {
		delete(r.Cells, i)
	}
	return r
}

//go:noinline
func putRows(wipe bool) {
	all := make([]*Row, pooled)
	for i := range all {
		all[i] = fillRow(wipe)
	}
	after = func() {
		for i := range all {
			rows.Put(all[i])
		}
		all = nil
	}
}

//go:noinline
func putMany(draw bool) {
	fill := func() {
		for i := 0; i < pooled; i++ {
			var b *Buffer
			if draw {
				b, _ = put.Get().(*Buffer)
			}
			if b == nil {
				b = new(Buffer)
			}
			put.Put(b)
		}
	}
	between, after = fill, fill
}

//go:noinline
func connect(ring bool) {
	for i := 0; i < rings; i++ {
		c := &Conn{Session: new(Conn)}
		if ring {
			c.Session.Session = c
		} else {
			conns = append(conns, c)
		}
		runtime.SetFinalizer(c, func(c *Conn) { c.Input[0] = 1 })
	}
}

//go:noinline
func build(what string) {
	switch what {
	case "million", "rebuilt":
		sessions = fill()
		if what == "rebuilt" {
			sessions = rebuild(sessions)
		}
		truth.Note("map", *(*unsafe.Pointer)(unsafe.Pointer(&sessions)), uintptr(len(sessions)), "sessions", truth.Live)
	case "crowd", "pooled":
		wait(what)
	case "header", "copied":
		read(what == "copied")
	case "shared", "handed":
		share(what == "shared")
	case "dirty", "wiped":
		putRows(what == "wiped")
	case "undrawn", "drawn":
		putMany(what == "drawn")
	case "ring", "chain":
		connect(what == "ring")
	}
}

//go:noinline
func clobber() int {
	var space [16 << 10]byte
	for i := range space {
		space[i] = byte(len(os.Args))
	}
	return int(space[len(os.Args)])
}

func main() {
	truth.Begin(os.Args[1])
	build(os.Args[2])
	clobber()
	truth.Settle(between, after, truth.Nothing)
	truth.Write(truth.Nothing)
	truth.Unmap()
	truth.Say("ready\n")
	truth.Wait()
	syscall.Exit(0)
}
