// Cgozoo has C memory that Go holds, Go memory that C holds, and stacks of both that hold either.
package main

// #include "zoo.h"
import "C"

import (
	"corpus/truth"
	"os"
	"runtime/cgo"
	"syscall"
	"time"
	"unsafe"
)

// Owner is a Go object that owns C memory.
type Owner struct {
	Name string
	C    *C.struct_cnode
}

// Held is held by one thing alone.
type Held struct {
	By  string
	Pad [48]byte
}

var (
	owners   []*Owner
	dropping []*Owner
	handles  []cgo.Handle
	forever  = make(chan struct{})
	entered  = make(chan struct{})
	sink     int
	pipe     [2]int
	more     []func()
)

//go:noinline
func held(by string, state truth.State) *Held { return truth.Obj(&Held{By: by}, state) }

//go:noinline
func nodes(n int, kind string, state truth.State) *C.struct_cnode {
	var head *C.struct_cnode
	for i := 0; i < n; i++ {
		head = C.cnode_new(head)
		truth.Note("block", unsafe.Pointer(head), unsafe.Sizeof(*head), kind, state)
	}
	return head
}

// A C block that a C global holds refers to a Go object.
func giveToC(p unsafe.Pointer) { C.refer_in_c(p) }

//export calledFromC
func calledFromC(id C.int) {
	h := held("callback", truth.Live)
	entered <- struct{}{}
	<-forever
	sink += len(h.By) + int(id)
}

//go:noinline
func inC() {
	h := held("caller of C", truth.Live)
	n := nodes(2, "C-STACK", truth.Live)
	entered <- struct{}{}
	sink += int(C.block_in_c(n, C.int(pipe[0]))) + len(h.By)
}

//go:noinline
func build() {
	syscall.Pipe(pipe[:])
	for i := 0; i < 5; i++ {
		owners = append(owners, truth.Obj(&Owner{"live", nodes(3, "OWNED", truth.Live)}, truth.Live))
		dropping = append(dropping, truth.Obj(&Owner{"dropped", nodes(2, "ORPHAN", truth.Dropped)}, truth.Dropped))
		handles = append(handles, cgo.NewHandle(held("handle", truth.Live)))
		nodes(1, "LEAKED", truth.Dropped)
	}
	C.hold_in_c(nodes(4, "C-GLOBAL", truth.Live))
	C.thread_hold(nodes(3, "C-THREAD", truth.Live))
	for _, f := range more {
		f()
	}
	go inC()
	go C.call_go(7)
	<-entered
	<-entered
	time.Sleep(50 * time.Millisecond)
}

//go:noinline
func clobber() C.long {
	var space [8 << 10]C.long
	for i := range space {
		space[i] = C.long(sink)
	}
	return space[sink&1023]
}

func main() {
	truth.Begin(os.Args[1])
	build()
	sink += int(clobber() & 1)
	truth.Settle(truth.Nothing, truth.Nothing, func() { dropping = nil })
	truth.Write(truth.Nothing)
	truth.Unmap()
	truth.Say("ready\n")
	truth.Wait()
	syscall.Exit(0)
}
