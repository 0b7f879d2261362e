package main

import (
	"corpus/truth"
	"os"
	"sync"
	"time"
	"unsafe"
)

// Job is what nobody sends any more.
type Job struct {
	ID   int
	Body [200]byte
}

// Account is locked in two orders.
type Account struct {
	Name    string
	mu      sync.Mutex
	Balance int64
	Ledger  []byte
}

// Table is read under a lock that is never given back.
type Table struct {
	Name string
	rw   sync.RWMutex
	Rows map[string]int
}

// Link is one of a ring.
type Link struct {
	Next *Link
	Body [4000]byte
}

// Pipe is a lock and a channel, each waited for by the one who has the other.
type Pipe struct {
	mu  sync.Mutex
	out chan int
}

//go:noinline
func use(p unsafe.Pointer) {
	if p == nil {
		sink++
	}
}

// Waiting notes that so many goroutines stand in a function and wait for a thing, which other functions
// (or "-") have or would have to bring.
func waiting(function string, n int, thing unsafe.Pointer) {
	what := "stuck"
	if healthy {
		what = "quiet"
	}
	truth.Note(what, thing, uintptr(n), function, truth.Live)
}

func channel(c chan *Job) unsafe.Pointer { return *(*unsafe.Pointer)(unsafe.Pointer(&c)) }

// --- nobody sends

//go:noinline
func onOrphan(c chan *Job, buffer []byte) {
	<-c
	use(unsafe.Pointer(&buffer[0]))
}

// --- two locks, two orders

//go:noinline
func transferOut(a, b *Account) {
	a.mu.Lock()
	meet(0, 2)
	b.mu.Lock()
	a.Balance, b.Balance = a.Balance-1, b.Balance+1
	b.mu.Unlock()
	a.mu.Unlock()
}

//go:noinline
func transferBack(a, b *Account) {
	b.mu.Lock()
	meet(0, 2)
	a.mu.Lock()
	a.Balance, b.Balance = a.Balance+1, b.Balance-1
	a.mu.Unlock()
	b.mu.Unlock()
}

// --- a wait group whose worker never ends

//go:noinline
func waitForAll(group *sync.WaitGroup) {
	group.Wait()
	use(unsafe.Pointer(group))
}

//go:noinline
func neverDone(group *sync.WaitGroup, c chan *Job) {
	<-c
	group.Done()
}

// --- a condition that nobody signals

//go:noinline
func onCond(c *sync.Cond) {
	c.L.Lock()
	c.Wait()
	c.L.Unlock()
}

// --- a lock that is kept while waiting

//go:noinline
func holdTable(t *Table, c chan *Job) {
	t.rw.Lock()
	meet(1, 3)
	<-c
	t.rw.Unlock()
}

//go:noinline
func readTable(t *Table) {
	meet(1, 3)
	t.rw.RLock()
	sink += len(t.Rows)
	t.rw.RUnlock()
}

// --- two channels of one select

//go:noinline
func onEither(a, b chan *Job) {
	select {
	case <-a:
	case b <- nil:
	}
	use(channel(a))
}

// --- a lock against a channel

//go:noinline
func lockThenSend(p *Pipe) {
	meet(2, 2)
	p.mu.Lock()
	p.out <- 1
	p.mu.Unlock()
}

//go:noinline
func lockThenReceive(p *Pipe) {
	p.mu.Lock()
	meet(2, 2)
	sink += <-p.out
	p.mu.Unlock()
}

// --- with a ring of objects in its hands

//go:noinline
func withRing(c chan *Job, ring *Link) {
	<-c
	use(unsafe.Pointer(ring))
}

const orphans = 200

//go:noinline
func stuck() {
	c := make(chan *Job)
	share(c)
	for i := 0; i < orphans; i++ {
		go onOrphan(c, make([]byte, 1024))
	}
	waiting("main.onOrphan -", orphans, channel(c))

	a, b := &Account{Name: "a", Ledger: make([]byte, 8000)}, &Account{Name: "b", Ledger: make([]byte, 8000)}
	share(a, b)
	go transferOut(a, b)
	go transferBack(a, b)
	waiting("main.transferOut main.transferBack", 1, unsafe.Pointer(&b.mu))
	waiting("main.transferBack main.transferOut", 1, unsafe.Pointer(&a.mu))

	group, c := &sync.WaitGroup{}, make(chan *Job)
	share(group, c)
	group.Add(1)
	go neverDone(group, c)
	go waitForAll(group)
	waiting("main.waitForAll main.neverDone", 1, unsafe.Pointer(group))
	waiting("main.neverDone -", 1, channel(c))

	cond := sync.NewCond(&sync.Mutex{})
	share(cond)
	for i := 0; i < 3; i++ {
		go onCond(cond)
	}
	waiting("main.onCond -", 3, unsafe.Pointer(cond))

	table, c := &Table{Name: "t", Rows: map[string]int{"one": 1}}, make(chan *Job)
	share(table, c)
	go holdTable(table, c)
	for i := 0; i < 2; i++ {
		go readTable(table)
	}
	waiting("main.holdTable -", 1, channel(c))
	waiting("main.readTable main.holdTable", 2, unsafe.Pointer(&table.rw))

	c, d := make(chan *Job), make(chan *Job)
	share(c, d)
	go onEither(c, d)
	waiting("main.onEither -", 1, channel(c))

	pipe := &Pipe{out: make(chan int)}
	share(pipe)
	go lockThenReceive(pipe)
	go lockThenSend(pipe)
	waiting("main.lockThenSend main.lockThenReceive", 1, unsafe.Pointer(&pipe.mu))
	waiting("main.lockThenReceive main.lockThenSend", 1, *(*unsafe.Pointer)(unsafe.Pointer(&pipe.out)))

	ring := &Link{}
	last := ring
	for i := 0; i < 9; i++ {
		last.Next = &Link{}
		last = last.Next
	}
	last.Next = ring
	c = make(chan *Job)
	share(c)
	go withRing(c, ring)
	waiting("main.withRing -", 1, channel(c))
}

// --- what only looks like it: somebody who may run can wake them

var (
	liveChannel = make(chan *Job)
	liveMutex   sync.Mutex
	liveCond    = sync.NewCond(new(sync.Mutex))
	liveGroup   sync.WaitGroup
	liveTimer   *time.Timer
	pipeRead    *os.File
	pipeWrite   *os.File
)

//go:noinline
func onLive(c chan *Job) { <-c }

//go:noinline
func onLiveMutex() { liveMutex.Lock() }

//go:noinline
func onLiveCond() {
	liveCond.L.Lock()
	liveCond.Wait()
}

//go:noinline
func onLiveGroup() { liveGroup.Wait() }

//go:noinline
func onTimer(c chan *Job) { <-c }

//go:noinline
func onSleeper(c chan *Job) { <-c }

//go:noinline
func sleeper(c chan *Job) {
	time.Sleep(5 * time.Hour)
	close(c)
}

//go:noinline
func onReader(c chan *Job) { <-c }

//go:noinline
func reader(c chan *Job) {
	var b [1]byte
	pipeRead.Read(b[:])
	close(c)
}

//go:noinline
func onSleeperCond(c *sync.Cond) {
	c.L.Lock()
	c.Wait()
}

//go:noinline
func condSleeper(c *sync.Cond) {
	time.Sleep(5 * time.Hour)
	c.Broadcast()
}

//go:noinline
func onTick(t *time.Ticker, c chan *Job) {
	select {
	case <-t.C:
	case <-c:
	}
}

//go:noinline
func hoarder(b []byte) {
	time.Sleep(5 * time.Hour)
	use(unsafe.Pointer(&b[0]))
}

func quiet(function string, n int, thing unsafe.Pointer) {
	truth.Note("quiet", thing, uintptr(n), function, truth.Live)
}

//go:noinline
func alive() {
	for i := 0; i < 5; i++ {
		go onLive(liveChannel)
	}
	quiet("main.onLive -", 5, channel(liveChannel))
	liveMutex.Lock()
	go onLiveMutex()
	quiet("main.onLiveMutex -", 1, unsafe.Pointer(&liveMutex))
	go onLiveCond()
	quiet("main.onLiveCond -", 1, unsafe.Pointer(liveCond))
	liveGroup.Add(1)
	go onLiveGroup()
	quiet("main.onLiveGroup -", 1, unsafe.Pointer(&liveGroup))

	c := make(chan *Job)
	liveTimer = time.AfterFunc(5*time.Hour, func() { close(c) })
	liveTimer = nil // the runtime alone has it
	go onTimer(c)
	quiet("main.onTimer -", 1, channel(c))

	d := make(chan *Job)
	go sleeper(d)
	go onSleeper(d)
	quiet("main.onSleeper -", 1, channel(d))

	pipeRead, pipeWrite, _ = os.Pipe()
	e := make(chan *Job)
	go reader(e)
	go onReader(e)
	quiet("main.onReader -", 1, channel(e))

	cond := sync.NewCond(&sync.Mutex{})
	go condSleeper(cond)
	go onSleeperCond(cond)
	quiet("main.onSleeperCond -", 1, unsafe.Pointer(cond))

	for i := 0; i < 4; i++ { // a size class of its own: nothing is rounded
		go hoarder(make([]byte, 20<<10))
	}
	truth.Note("held", nil, 4*20<<10, "main.hoarder", truth.Live)

	go onTick(time.NewTicker(5*time.Hour), make(chan *Job))
	quiet("main.onTick -", 1, nil)
}
