// Waits has goroutines that wait for each other for ever, others that only look like it, and maps of package sync.
//
//	waits TRUTH [healthy]
//
// A healthy one is the same program repaired: what its goroutines wait for can be reached by who may
// wake them, and its maps were made anew after the deletions.
package main

import (
	"corpus/truth"
	"os"
	"runtime"
	"sync/atomic"
	"syscall"
	"time"
)

var (
	healthy bool
	shared  []interface{} // who may wake them, in a healthy program
	sink    int
	met     [16]int32
)

// Share makes things reachable for the program's main goroutine, but only in a healthy program.
func share(things ...interface{}) {
	if healthy {
		shared = append(shared, things...)
	}
}

// Meet waits until n goroutines are at the same place.
func meet(place int, n int32) {
	atomic.AddInt32(&met[place], 1)
	for atomic.LoadInt32(&met[place]) < n {
		time.Sleep(time.Millisecond)
	}
}

// Clobber overwrites the stack that the parts used.
//
//go:noinline
func clobber() int {
	var space [16 << 10]byte
	for i := range space {
		space[i] = byte(sink)
	}
	return int(space[sink&1023])
}

func main() {
	truth.Begin(os.Args[1])
	healthy = len(os.Args) > 2 && os.Args[2] == "healthy"
	syncMaps()
	stuck()
	alive()
	sink += clobber() & 1
	time.Sleep(200 * time.Millisecond)
	truth.Settle(truth.Nothing, truth.Nothing, truth.Nothing)
	sink += clobber() & 1
	truth.Write(truth.Nothing)
	truth.Unmap()
	truth.Say("ready\n")
	truth.Wait()
	runtime.KeepAlive(shared)
	syscall.Exit(0)
}
