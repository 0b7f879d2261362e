// Zoo holds one thing of each kind that Go's heap, roots and goroutines can show, and knows which it has let go.
//
//	zoo TRUTH
//
// A part is a file: what it lets go is put into `dropping`, and is out of reach when release() has run.
package main

import (
	"corpus/truth"
	"os"
	"sync"
	"syscall"
	"time"
)

// dropping holds what is reachable at the last collection and nowhere after it.
var dropping struct {
	nodes   *Node
	objects []any
	classes [][]byte
	scanned [][]*Plain
	table   map[string]*Node
	channel chan *Node
	root    *Tree
}

var (
	second  = make(chan struct{}) // what waits for this goes on into a wait where some of its slots are dead
	forever = make(chan struct{}) // nobody closes this
	sink    int
	arrived sync.WaitGroup // a goroutine counts itself just before it blocks for good
)

// Release lets go of everything in dropping, and of what only dead slots hold. It allocates nothing.
//
//go:noinline
func release() {
	dropping.nodes = nil
	dropping.objects = nil
	dropping.classes = nil
	dropping.scanned = nil
	dropping.table = nil
	dropping.channel = nil
	dropping.root = nil
	close(second)
}

// parts run one after the other; a file for newer toolchains adds its own.
var parts = []func(){idle, census, globals, stacks, deferred, specials, pools, values, goroutines}

//go:noinline
func build() {
	for _, part := range parts {
		part()
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
	build()
	sink += clobber() & 1
	time.Sleep(200 * time.Millisecond)
	truth.Settle(fillVictims, fillPool, release)
	sink += clobber() & 1
	truth.Write(truth.Nothing)
	truth.Unmap()
	truth.Say("ready\n")
	truth.Wait()
	syscall.Exit(0)
}
