// Parked keeps things in pools and behind finalizers: put back large, put back with what their last user left in
// them, put and never taken, put and still in use; rings with a finalizer, cleanups that hold their own object,
// finalizers that wait for one that blocks.
//
//	parked TRUTH [healthy]
//
// With "healthy" the same program repaired.  Rows of its own: what lies in each pool, by its own look at them.
package main

import (
	"bytes"
	"corpus/truth"
	"os"
	"runtime/debug"
	"strconv"
	"sync"
	"syscall"
	"unsafe"
)

// Row is what caches hold.
type Row struct {
	ID  int
	Pad [120]byte
}

// Session is in use for as long as it is in Sessions.
type Session struct {
	ID   int
	Data []byte
}

// Logger is made once, and every Ctx has it.
type Logger struct{ Prefix [64]byte }

// Ctx is what a server keeps for a request.
type Ctx struct {
	cache   map[string]*Row
	session *Session
	log     *Logger
	body    [200]byte
}

// Item has nothing to clear.
type Item struct {
	ID  int
	Pad [1000]byte
}

// Job uses a table that all share.
type Job struct {
	table map[int]*Row
	ID    int
}

var (
	logger   = &Logger{}
	Sessions []*Session
	Table    map[int]*Row

	BufPool  = sync.Pool{New: func() interface{} { return new(bytes.Buffer) }}
	CtxPool  = sync.Pool{New: func() interface{} { return &Ctx{log: logger, cache: map[string]*Row{}} }}
	RowsPool = sync.Pool{New: func() interface{} { return map[int]*Row{} }}
	JobPool  = sync.Pool{New: func() interface{} { return &Job{} }}
	PutOnly  = sync.Pool{New: func() interface{} { return new(Item) }}
	Fresh    = sync.Pool{New: func() interface{} { return new(Item) }}
	Shared   = sync.Pool{New: func() interface{} { return new(Item) }}
	Reused   = sync.Pool{New: func() interface{} { return new(Row) }}

	InUse []*Item

	healthy bool
	sink    int
)

var pools = [...]struct {
	name string
	pool *sync.Pool
}{
	{"BufPool", &BufPool}, {"CtxPool", &CtxPool}, {"RowsPool", &RowsPool}, {"JobPool", &JobPool},
	{"PutOnly", &PutOnly}, {"Fresh", &Fresh}, {"Shared", &Shared}, {"Reused", &Reused},
}

// --- use of pools ---------------------------------------------------------------------------------

//go:noinline
func putBuffers(n int) {
	for i := 0; i < n; i++ {
		b := new(bytes.Buffer)
		b.Grow(128 << 10)
		b.WriteString("answer")
		b.Reset()
		if healthy && b.Cap() > 64<<10 {
			continue // dropped
		}
		BufPool.Put(b)
	}
}

// All are out at once, and come back; the repaired one serves a few at a time.
//
//go:noinline
func serve(n int) {
	if healthy {
		n = 6
	}
	out := make([]*Ctx, n)
	for i := range out {
		c := CtxPool.Get().(*Ctx)
		for k := 0; k < 20; k++ {
			c.cache["row number "+strconv.Itoa(k)] = &Row{ID: k}
		}
		c.session = Sessions[i]
		out[i] = c
	}
	for _, c := range out {
		if healthy {
			for k := range c.cache {
				delete(c.cache, k)
			}
			c.session = nil
		}
		CtxPool.Put(c)
	}
}

//go:noinline
func putRows(n int) {
	for i := 0; i < n; i++ {
		m := make(map[int]*Row)
		for k := 0; k < 12; k++ {
			m[k] = &Row{ID: k}
		}
		if healthy {
			for k := range m {
				delete(m, k)
			}
		}
		RowsPool.Put(m)
	}
}

//go:noinline
func putJobs(n int) {
	for i := 0; i < n; i++ {
		j := &Job{ID: i, table: Table}
		if healthy {
			j.table = nil
		}
		JobPool.Put(j)
	}
}

// A pool that is drawn from holds what one user needs.
//
//go:noinline
func putItems(pool *sync.Pool, n int) {
	for i := 0; i < n; i++ {
		item := &Item{ID: i}
		if healthy {
			item = pool.Get().(*Item)
		}
		pool.Put(item)
	}
}

//go:noinline
func share(n int) {
	for i := 0; i < n; i++ {
		item := &Item{ID: i}
		if !healthy {
			Shared.Put(item)
		}
		InUse = append(InUse, item)
	}
}

// Filled, emptied and filled again: its older rings are not full any more.
//
//go:noinline
func reuse(n int) {
	out := make([]interface{}, n)
	for k := 0; k < 3; k++ {
		for i := range out {
			out[i] = Reused.Get()
		}
		for _, row := range out {
			Reused.Put(row)
		}
	}
}

func before() {
	putBuffers(40)
	putItems(&PutOnly, 400)
	finalizers()
}

func after() {
	putBuffers(10)
	serve(60)
	putRows(30)
	putJobs(50)
	putItems(&PutOnly, 100)
	putItems(&Fresh, 300)
	share(20)
	reuse(200)
	for i := range pools {
		count(pools[i].name, pools[i].pool)
	}
	countFinalizers()
}

// --- a look at them (sync/pool.go, sync/poolqueue.go) ---------------------------------------------

type poolHead struct {
	local, localSize, victim, victimSize uintptr
}

type poolLocal struct {
	private [2]uintptr
	head    uintptr // the newest ring
	tail    uintptr
	_       [96]byte
}

type poolElt struct {
	headTail   uint64
	vals       [3]uintptr
	next, prev uintptr
}

// A pointer from where a word lies.
func at(word *uintptr) unsafe.Pointer { return *(*unsafe.Pointer)(unsafe.Pointer(word)) }

func count(name string, pool *sync.Pool) {
	head := (*poolHead)(unsafe.Pointer(pool))
	truth.Note("pool", unsafe.Pointer(pool), 0, name, truth.Live)
	countHalf(name+".local", at(&head.local), int(head.localSize))
	countHalf(name+".victim", at(&head.victim), int(head.victimSize))
}

func countHalf(name string, locals unsafe.Pointer, n int) {
	for i := 0; i < n; i++ {
		local := (*poolLocal)(unsafe.Pointer(uintptr(locals) + uintptr(i)*128))
		private, shared := 0, 0
		if local.private[0] != 0 {
			private = 1
		}
		for ring := (*poolElt)(at(&local.head)); ring != nil; ring = (*poolElt)(at(&ring.prev)) {
			shared += int(uint32(ring.headTail>>32) - uint32(ring.headTail))
		}
		truth.Total("pool."+name+"."+strconv.Itoa(i)+".private", uint64(private))
		truth.Total("pool."+name+"."+strconv.Itoa(i)+".shared", uint64(shared))
	}
}

func main() {
	truth.Begin(os.Args[1])
	healthy = len(os.Args) > 2 && os.Args[2] == "healthy"
	debug.SetGCPercent(-1)
	Table = make(map[int]*Row)
	for i := 0; i < 300; i++ {
		Sessions = append(Sessions, &Session{ID: i, Data: make([]byte, 500)})
		Table[i] = &Row{ID: i}
	}
	if healthy {
		truth.Total("healthy", 1)
	}
	truth.Settle(before, after, truth.Nothing)
	truth.Write(truth.Nothing)
	truth.Unmap()
	truth.Say("ready\n")
	truth.Wait()
	syscall.Exit(sink)
}
