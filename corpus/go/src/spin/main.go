// Spin ends in a loop that nothing can interrupt, with goroutines that wait for the only P, and with
// objects that were allocated after the last figures, so that their spans are still in that P's cache.
//
//	GOMAXPROCS=1 GODEBUG=asyncpreemptoff=1 spin TRUTH
package main

import (
	"corpus/truth"
	"os"
	"unsafe"
)

// Held is held by one thing alone.
type Held struct {
	By  string
	Ref *Late
}

// Late is allocated when the figures are written already.
type Late struct {
	Next *Late
	ID   int
}

const nLate = 100

var (
	late     *Late
	lost     *Held
	ready    [3]func()
	forever  = make(chan struct{})
	sink     int
	runs     int
	finished = make(chan struct{})
)

//go:noinline
func held(by string, state truth.State) *Held {
	return truth.Obj(&Held{By: by, Ref: truth.Obj(&Late{}, state)}, state)
}

//go:noinline
func runnable(h *Held) func() {
	return func() {
		runs++
		<-forever
		sink += len(h.By)
	}
}

//go:noinline
func build() {
	for i := range ready {
		ready[i] = runnable(held("runnable", truth.Live))
	}
	lost = held("dropped", truth.Dropped)
	go func() {
		h := held("waiting", truth.Live)
		<-forever
		sink += len(h.By)
	}()
	for i := 0; i < 16; i++ { // these leave their g's for the others, and for the collector's workers
		go func() { finished <- struct{}{} }()
	}
	for i := 0; i < 16; i++ {
		<-finished
	}
}

//go:noinline
func makeLate() {
	for i := 0; i < nLate; i++ {
		late = truth.Obj(&Late{Next: late, ID: i}, truth.Live)
	}
	truth.Total("late.objects", nLate)
	truth.Total("late.bytes", nLate*uint64(unsafe.Sizeof(Late{})))
	truth.Total("runnable", uint64(len(ready)))
}

// Turn never ends, and calls nothing on its way.
//
//go:noinline
func turn(h *Held) int {
	n := 0
	for *(*int)(unsafe.Pointer(&h.Ref.ID)) == 0 {
		n++
	}
	return n + len(h.By)
}

func main() {
	truth.Begin(os.Args[1])
	build()
	h := held("spinning", truth.Live)
	truth.Settle(truth.Nothing, truth.Nothing, func() { lost = nil })
	truth.Write(makeLate)
	truth.Unmap()
	truth.Say("ready\n")
	for _, f := range ready {
		go f()
	}
	sink = turn(h)
}
