package main

import (
	"corpus/truth"
	"runtime"
	"sync"
	"time"
	"unsafe"
)

// Held is held by one thing alone, which By names.
type Held struct {
	By  string
	Pad [48]byte
	Ref *Plain
}

//go:noinline
func held(by string, state truth.State) *Held {
	return truth.Obj(&Held{By: by, Ref: truth.Obj(&Plain{}, state)}, state)
}

//go:noinline
func use(h *Held) {
	if h != nil {
		sink += len(h.By)
	}
}

// --- globals --------------------------------------------------------------------------------------

var (
	globalArray  [100]*Held
	globalStruct struct {
		pad  [3]int
		deep struct{ h *Held }
		any  any
		f    func() int
	}
	globalData   = &globalStruct // in data: it has a value from the start
	globalBytes  *[48]byte       // points into an object
	globalNumber uintptr         // looks like a pointer and is none
	globalStale  []*Held         // the last pointer lies past the length
)

//go:noinline
func globals() {
	globalArray[99] = held("array", truth.Live)
	globalData.deep.h = held("struct", truth.Live)
	globalData.any = held("interface", truth.Live)
	h := held("closure", truth.Live)
	globalData.f = func() int { return len(h.By) }
	globalBytes = &held("interior", truth.Live).Pad
	disguised := held("number", truth.Freed)
	globalNumber = uintptr(unsafe.Pointer(disguised)) // collected before the core
	globalStale = truth.Slice(make([]*Held, 4), truth.Live)
	globalStale[3] = held("stale", truth.Live)
	globalStale = globalStale[:2]
	late := held("late number", truth.Dropped)
	dropping.objects = append(dropping.objects, late)
	lateNumber = uintptr(unsafe.Pointer(late))
}

var lateNumber uintptr

// --- stacks ---------------------------------------------------------------------------------------

// Everything here blocks in `forever`, with what it holds in the place that its name says.

//go:noinline
func inArgument(h *Held) {
	arrived.Done()
	<-forever
	use(h)
}

//go:noinline
func inLocal() {
	h := held("local", truth.Live)
	arrived.Done()
	<-forever
	use(h)
}

//go:noinline
func inDeadSlot() {
	h := held("dead slot", truth.Dropped)
	arrived.Done()
	<-second
	use(h)
	<-forever
}

type box struct {
	pad [4]int
	h   *Held
}

//go:noinline
func touch(b *box) { use(b.h) }

//go:noinline
func inStackObject() {
	var b box
	b.h = held("stack object", truth.Live)
	touch(&b)
	arrived.Done()
	<-forever
	touch(&b)
}

//go:noinline
func inDeadStackObject() {
	var b box
	b.h = held("dead stack object", truth.Dropped)
	touch(&b)
	arrived.Done()
	<-second
	touch(&b)
	<-forever
}

// In memory, not in registers: an array of more than one element is never passed in registers.
//
//go:noinline
func inStackArguments(a [5]*Held) {
	arrived.Done()
	<-forever
	use(a[4])
}

//go:noinline
func inDeepFrames(depth int) {
	var pad [256]int
	pad[depth] = depth
	h := held("deep frame", truth.Live)
	if depth == 0 {
		arrived.Done()
		<-forever
	} else {
		inDeepFrames(depth - 1)
	}
	use(h)
	sink += pad[sink&255]
}

//go:noinline
func inResult() (h *Held) {
	h = held("result", truth.Live)
	arrived.Done()
	<-forever
	return h
}

func inlined(h *Held) { // small enough to be inlined into its caller
	<-forever
	use(h)
}

//go:noinline
func callsInlined() {
	h := held("inlined frame", truth.Live)
	arrived.Done()
	inlined(h)
}

func (h *Held) wait() {
	arrived.Done()
	<-forever
	use(h)
}

func wait[T any](h *T, f func(*T)) {
	arrived.Done()
	<-forever
	f(h)
}

func start(n int, f func()) {
	arrived.Add(n)
	for i := 0; i < n; i++ {
		go f()
	}
}

//go:noinline
func stacks() {
	arrived.Add(3)
	go inArgument(held("argument", truth.Live))
	go held("method value", truth.Live).wait()
	go wait(held("generic", truth.Live), use)
	start(3, inLocal)
	start(3, inDeadSlot)
	start(2, inStackObject)
	start(2, inDeadStackObject)
	start(1, func() { inStackArguments([5]*Held{4: held("stack argument", truth.Live)}) })
	start(1, func() { inDeepFrames(30) })
	start(1, func() { use(inResult()) })
	start(1, callsInlined)
	h := held("captured by a goroutine", truth.Live)
	start(1, func() { arrived.Done(); <-forever; use(h) })
	arrived.Wait()
}

// --- defer and panic ------------------------------------------------------------------------------

//go:noinline
func deferOpen() {
	h := held("open-coded defer", truth.Live)
	defer func() { use(h) }()
	arrived.Done()
	<-forever
}

//go:noinline
func deferLoop() {
	for i := 0; i < 3; i++ {
		h := held("defer in a loop", truth.Live)
		defer func() { use(h) }()
	}
	arrived.Done()
	<-forever
}

//go:noinline
func deferArgument() {
	for i := 0; i < 2; i++ {
		defer use(held("argument of a defer", truth.Live))
	}
	arrived.Done()
	<-forever
}

//go:noinline
func panicking() {
	defer func() {
		arrived.Done()
		<-forever
		use(recover().(*Held))
	}()
	panic(held("panic value", truth.Live))
}

//go:noinline
func exiting() {
	h := held("defer during Goexit", truth.Live)
	defer func() {
		arrived.Done()
		<-forever
		use(h)
	}()
	runtime.Goexit()
}

//go:noinline
func deferred() {
	start(1, deferOpen)
	start(1, deferLoop)
	start(1, deferArgument)
	start(1, panicking)
	start(1, exiting)
	arrived.Wait()
}

// --- specials and timers --------------------------------------------------------------------------

// Fin has a finalizer.
type Fin struct {
	Ref *Held
	Pad [100]byte
}

var (
	finLive   [10]*Fin
	timers    []*time.Timer
	ticker    *time.Ticker
	finalizer = func(f *Fin) { <-forever; use(f.Ref) }
)

//go:noinline
func queue() {
	for i := 0; i < 8; i++ { // found dead by the next collection; the first one to run never comes back
		runtime.SetFinalizer(truth.Obj(&Fin{Ref: held("finalizer queue", truth.Live)}, truth.Live), finalizer)
	}
}

//go:noinline
func specials() {
	queue()
	for i := range finLive {
		finLive[i] = truth.Obj(&Fin{Ref: held("finalizable", truth.Live)}, truth.Live)
		h := held("captured by a finalizer", truth.Live)
		runtime.SetFinalizer(finLive[i], func(f *Fin) { use(h) })
	}
	// Let go after the last collection: the next one will find the object dead, and keep what it refers to.
	lost := truth.Obj(&Fin{Ref: held("referred to by a dead object with a finalizer", truth.Live)}, truth.Unknown)
	runtime.SetFinalizer(lost, func(f *Fin) { use(f.Ref) })
	dropping.objects = append(dropping.objects, lost)
	for i := 0; i < 3; i++ {
		h := held("captured by a timer", truth.Live)
		timers = append(timers, time.AfterFunc(time.Hour, func() { use(h) }))
	}
	h := held("captured by a timer that only the runtime knows", truth.Live)
	time.AfterFunc(2*time.Hour, func() { use(h) })
	timers = append(timers, time.NewTimer(3*time.Hour))
	ticker = time.NewTicker(time.Hour)
}

// --- pools ----------------------------------------------------------------------------------------

// Pooled lies in a pool.
type Pooled struct {
	Ref *Plain
	Pad [200]byte
}

var pool, victims, gone sync.Pool

//go:noinline
func pools() {
	for i := 0; i < 20; i++ {
		gone.Put(truth.Obj(&Pooled{}, truth.Freed))
	}
}

// Between the last two collections: the last one makes victims of these.
//
//go:noinline
func fillVictims() {
	for i := 0; i < 12; i++ {
		victims.Put(truth.Obj(&Pooled{Ref: truth.Obj(&Plain{}, truth.Live)}, truth.Live))
	}
}

// After the last one.
//
//go:noinline
func fillPool() {
	for i := 0; i < 15; i++ {
		pool.Put(truth.Obj(&Pooled{Ref: truth.Obj(&Plain{}, truth.Live)}, truth.Live))
	}
}
