package main

import (
	"corpus/truth"
	"runtime"
	"time"
)

// Peer is half of a ring.
type Peer struct {
	Other *Peer
	Pad   [500]byte
}

// File is what a finalizer closes.
type File struct {
	FD   int
	Name *Row
	Pad  [3900]byte
}

// Handle holds itself by its own finalizer.
type Handle struct {
	ID  int
	Pad [2000]byte
}

var (
	never    = make(chan bool)
	Open     []*File // in use, with a finalizer
	returned []*File // whose finalizer put them back
)

const (
	nRings    = 40
	nQueued   = 30
	nSelf     = 25
	nReturned = 3
)

//go:noinline
func rings() {
	for i := 0; i < nRings; i++ {
		a, b := &Peer{}, &Peer{}
		a.Other = b
		if !healthy {
			b.Other = a
		}
		runtime.SetFinalizer(a, func(p *Peer) { sink++ })
	}
}

// The function itself holds the object: it is never unreachable.
//
//go:noinline
func selfHeld() {
	for i := 0; i < nSelf; i++ {
		h := &Handle{ID: i}
		if healthy {
			runtime.SetFinalizer(h, func(h *Handle) { sink += h.ID })
		} else {
			runtime.SetFinalizer(h, func(*Handle) { sink += h.ID })
		}
	}
	selfCleaned()
}

//go:noinline
func open() {
	for i := 0; i < 20; i++ {
		f := &File{FD: i, Name: &Row{ID: i}}
		runtime.SetFinalizer(f, func(f *File) { sink++ })
		Open = append(Open, f)
	}
}

// The first of them blocks all others, until it has put its object back.
//
//go:noinline
func queue() {
	for i := 0; i < nQueued; i++ {
		f := &File{FD: 100 + i, Name: &Row{ID: i}}
		runtime.SetFinalizer(f, func(f *File) {
			if healthy {
				sink++
				return
			}
			if len(returned) < nReturned {
				returned = append(returned, f)
				if len(returned) < nReturned {
					return
				}
			}
			<-never
		})
	}
}

func finalizers() {
	rings()
	selfHeld()
	open()
	queue()
	clear2k()
}

// What calls have left on the stack.
//
//go:noinline
func clear2k() {
	var room [2048]byte
	sink += int(room[sink&1023])
}

// Finalizers that were due have run, or one of them has blocked the others.
func countFinalizers() {
	time.Sleep(100 * time.Millisecond)
	if healthy {
		return
	}
	truth.Total("rings", nRings)
	truth.Total("queued", nQueued-nReturned+1) // the one that runs is in its queue still
	truth.Total("returned", uint64(len(returned)))
	truth.Total("self_held", nSelf+nSelfCleaned)
}
