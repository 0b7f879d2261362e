// Keys has maps whose keys are pointers, and what those alone keep; beside each one that keeps nothing so.
//
//	keys TRUTH [healthy]
//
// With "healthy" maps have numbers for keys, or their keys are other people's too.
//
// Rows of its own: "keys", the map's header, the bytes that its keys alone keep; and keys.NAME, how many blocks.
package main

import (
	"corpus/truth"
	"os"
	"strconv"
	"syscall"
	"unsafe"
)

// Page is of a size class, without pointers.
type Page [1024]byte

// Session is 64 bytes.
type Session struct {
	ID    int64
	First *Link
	Pad   [6]int64
}

// Link is 32 bytes.
type Link struct {
	Next *Link
	Page *Page
	Pad  [2]int64
}

// Conn is 48 bytes, known by an interface.
type Conn struct {
	Buf *Page
	Pad [5]int64
}

// Pair is a key with two pointers, of which one is in other keys, too.
type Pair struct {
	Own, Shared *Page
}

// Wide is a key that stands outside its slot: 160 bytes.
type Wide struct {
	Pages [4]*Page
	Pad   [16]int64
}

// Close makes it an interface's.
func (c *Conn) Close() error { return nil }

type closer interface{ Close() error }

const (
	sessions = 600
	links    = 3
	conns    = 300
	pairs    = 200
	wides    = 100
	quiet    = 300
)

var (
	started map[*Session]int64
	open    map[closer]struct{}
	byPair  map[Pair]bool
	byWide  map[Wide]int
	seen    map[*Session]bool     // all of them in `others`, too
	twins   map[*Session]*Session // each its own element
	names   map[string]int        // strings alone
	chans   map[chan *Page]int    // a few, which is not much
	others  []*Session
	byID    map[int64]int64
	known   []*Conn
)

func session(i int) *Session {
	s := &Session{ID: int64(i)}
	for k := 0; k < links; k++ {
		s.First = &Link{Next: s.First, Page: new(Page)}
	}
	return s
}

func note(name string, header unsafe.Pointer, bytes, blocks int) {
	truth.Note("keys", header, uintptr(bytes), name, truth.Live)
	truth.Total("keys."+name, uint64(blocks))
}

func header(m interface{}) unsafe.Pointer {
	return (*[2]unsafe.Pointer)(unsafe.Pointer(&m))[1]
}

//go:noinline
func build() {
	started = make(map[*Session]int64)
	for i := 0; i < sessions; i++ {
		started[session(i)] = int64(i)
	}
	for s := range started { // a tenth of them is gone again
		if s.ID%10 == 0 {
			delete(started, s)
		}
	}
	n := len(started)
	note("started", header(started), n*(64+links*(32+1024)), n*(1+2*links))

	open = make(map[closer]struct{})
	for i := 0; i < conns; i++ {
		open[&Conn{Buf: new(Page)}] = struct{}{}
	}
	note("open", header(open), conns*(48+1024), 2*conns)

	byPair = make(map[Pair]bool)
	shared := new(Page)
	for i := 0; i < pairs; i++ {
		byPair[Pair{new(Page), shared}] = true
	}
	note("byPair", header(byPair), (pairs+1)*1024, pairs+1)

	byWide = make(map[Wide]int)
	for i := 0; i < wides; i++ {
		byWide[Wide{Pages: [4]*Page{new(Page), nil, new(Page), new(Page)}}] = i
	}
	note("byWide", header(byWide), wides*(160+3*1024), wides*4)
}

//go:noinline
func buildQuiet() {
	seen = make(map[*Session]bool)
	twins = make(map[*Session]*Session)
	names = make(map[string]int)
	chans = make(map[chan *Page]int)
	for i := 0; i < quiet; i++ {
		s := session(i)
		others = append(others, s)
		seen[s] = true
		t := session(i)
		twins[t] = t
		names["a name that is long enough to take a block of its own, no. "+strconv.Itoa(i)] = i
	}
	for i := 0; i < 20; i++ {
		chans[make(chan *Page, 4)] = i
	}
}

//go:noinline
func buildHealthy() {
	byID = make(map[int64]int64)
	open = make(map[closer]struct{})
	for i := 0; i < sessions; i++ {
		byID[int64(i)] = int64(i)
	}
	for i := 0; i < conns; i++ {
		c := &Conn{Buf: new(Page)}
		known = append(known, c)
		open[c] = struct{}{}
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
	if len(os.Args) > 2 && os.Args[2] == "healthy" {
		buildHealthy()
	} else {
		build()
	}
	buildQuiet()
	clobber()
	truth.Settle(truth.Nothing, truth.Nothing, truth.Nothing)
	truth.Write(truth.Nothing)
	truth.Unmap()
	truth.Say("ready\n")
	truth.Wait()
	syscall.Exit(0)
}
