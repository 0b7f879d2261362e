// Clib is a library of Go that a C program calls: its goroutines run on threads of C's.
package main

// #include <stdlib.h>
import "C"

import (
	"corpus/truth"
	"unsafe"
)

type Held struct {
	By  string
	Ref *Held
}

var (
	global  *Held
	lost    *Held
	byName  = map[string]*Held{}
	forever = make(chan struct{})
	sink    int
)

//go:noinline
func held(by string, state truth.State) *Held {
	return truth.Obj(&Held{By: by, Ref: truth.Obj(&Held{}, state)}, state)
}

//go:noinline
func parked() {
	h := held("goroutine", truth.Live)
	<-forever
	sink += len(h.By)
}

//go:noinline
func work(h *Held) {
	truth.Settle(truth.Nothing, truth.Nothing, func() { lost = nil })
	truth.Write(truth.Nothing)
	truth.Unmap()
	truth.Say("ready\n")
	truth.Wait()
	sink += len(h.By)
}

//export Begin
func Begin(path *C.char) {
	truth.Begin(C.GoString(path))
	global = held("global", truth.Live)
	byName["a"] = held("map", truth.Live)
	lost = held("dropped", truth.Dropped)
	for i := 0; i < 3; i++ {
		go parked()
	}
	block := C.malloc(100)
	truth.Note("block", unsafe.Pointer(block), 100, "malloc", truth.Live)
	*(*uintptr)(block) = 0
	cheld = block
	work(held("called from C", truth.Live))
}

var cheld unsafe.Pointer

func main() {}
