// Since has goroutines of which it is known since when they wait: some that collections saw, one that
// none did. The time is CLOCK_MONOTONIC's, which the runtime takes too.
//
//	since TRUTH
package main

import (
	"corpus/truth"
	"os"
	"syscall"
	"time"
	"unsafe"
)

const pause = 2 * time.Second

var (
	never = make(chan struct{})
	sink  int
	lost  *Held
)

func now() uint64 {
	var t [2]int64
	syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, 1, uintptr(unsafe.Pointer(&t)), 0)
	return uint64(t[0])*1e9 + uint64(t[1])
}

type Held [64]*int

//go:noinline
func held(state truth.State) *Held {
	return truth.Obj(new(Held), state)
}

//go:noinline
func early() {
	held := held(truth.Live)
	<-make(chan struct{})
	sink += *held[0]
}

//go:noinline
func late() {
	<-never
	sink--
}

func main() {
	truth.Begin(os.Args[1])
	lost = held(truth.Dropped)
	for i := 0; i < 3; i++ {
		go early() // they hold what is live
	}
	time.Sleep(pause / 10)
	truth.Total("early.since", now())
	time.Sleep(pause)
	before := now()
	truth.Settle(truth.Nothing, truth.Nothing, func() { lost = nil })
	truth.Total("early.seen", before) // or after: the collections are in Settle
	go late()
	time.Sleep(pause)
	truth.Write(func() { truth.Total("now", now()) })
	truth.Unmap()
	truth.Say("ready\n")
	truth.Wait()
}
