package main

import (
	"corpus/truth"
	"strconv"
	"sync"
	"unsafe"
)

// Value is what maps of package sync hold.
type Value struct {
	N    int
	Next *Value
	Pad  [48]byte
}

// Service has such a map in an object of its own.
type Service struct {
	Name   string
	routes sync.Map
}

var (
	cache    sync.Map // literal keys; some deleted, one half copied
	registry struct {
		name string
		byID sync.Map
	}
	services  map[string]*Service
	drained   sync.Map // 1% left
	untouched sync.Map
	words     = [...]string{"alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa"}
)

func noteSyncMap(m *sync.Map, name string) {
	n := 0
	m.Range(func(_, _ interface{}) bool { n++; return true })
	truth.Note("syncmap", unsafe.Pointer(m), uintptr(n), name, truth.Live)
}

//go:noinline
func value(n int, next *Value, state truth.State) *Value {
	return truth.Obj(&Value{N: n, Next: next}, state)
}

func rangeOver(m *sync.Map) {
	m.Range(func(_, _ interface{}) bool { return true })
}

//go:noinline
func syncMaps() {
	for i, w := range words {
		state := truth.Live
		if i < 2 || i >= 6 {
			state = truth.Freed
		}
		cache.Store(w, value(i, value(100+i, nil, state), state))
	}
	rangeOver(&cache) // all of it is in `read` from here on, to 1.23
	for _, w := range words[6:] {
		cache.Delete(w) // nil
	}
	noteSyncMap(&cache, "cache")
	cache.Store("late", value(10, nil, truth.Live)) // `dirty` is made; four entries are expunged
	cache.Delete(words[0])
	cache.Delete(words[1])
	// Range would promote `dirty`: what is in it is known.
	truth.Total("syncmap.cache.live", 5)
	truth.Total("syncmap.cache.deleted", 2)
	truth.Total("syncmap.cache.expunged", 4)

	for i := 0; i < 300; i++ {
		registry.byID.Store(i, value(i, nil, truth.Live))
	}
	noteSyncMap(&registry.byID, "registry.byID")
	truth.Total("syncmap.registry.byID.live", 300)
	truth.Total("syncmap.registry.byID.deleted", 0)
	truth.Total("syncmap.registry.byID.expunged", 0)

	services = map[string]*Service{"web": {Name: "web"}}
	services["web"].routes.Store("/", value(1, nil, truth.Live))
	services["web"].routes.Store("/receipt", value(2, nil, truth.Live))
	noteSyncMap(&services["web"].routes, "services.routes")
	truth.Total("syncmap.services.routes.live", 2)
	truth.Total("syncmap.services.routes.deleted", 0)
	truth.Total("syncmap.services.routes.expunged", 0)

	const n = 5000
	left := 50
	if healthy {
		left = n
	}
	for i := 0; i < n; i++ {
		drained.Store("key "+strconv.Itoa(i), i)
	}
	rangeOver(&drained)
	for i := left; i < n; i++ {
		drained.Delete("key " + strconv.Itoa(i))
	}
	noteSyncMap(&drained, "drained")
	truth.Total("syncmap.drained.live", uint64(left))
	truth.Total("syncmap.drained.deleted", uint64(n-left))
	truth.Total("syncmap.drained.expunged", 0)
}
