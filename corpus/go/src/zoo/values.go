package main

import (
	"corpus/truth"
	"sync"
	"unsafe"
)

// Shape is an interface with two implementations.
type Shape interface{ Area() int }

// Square is a Shape with a pointer receiver.
type Square struct {
	Side int
	Ref  *Plain
}

// Circle is a Shape whose values are boxed.
type Circle struct {
	R   int
	Ref *Plain
}

func (s *Square) Area() int { return s.Side * s.Side }

// Area has a value receiver: the interface points at a copy.
func (c Circle) Area() int { return 3 * c.R * c.R }

// Pair is generic.
type Pair[K comparable, V any] struct {
	Key   K
	Value V
	Next  *Pair[K, V]
}

// Base is embedded by value, Other by pointer.
type Base struct{ Ref *Plain }

// Other is embedded by pointer.
type Other struct{ N [4]int }

// Derived embeds both.
type Derived struct {
	Base
	*Other
	Name string
}

// Bound has the method that is taken as a value.
type Bound struct{ Ref *Plain }

func (b *Bound) method() int { return int(b.Ref.A) }

// Record is a map's value past 128 bytes: the map keeps a pointer to it.
type Record struct {
	ID  int
	Ref *Plain
	Pad [136]byte
}

var (
	shapes     []Shape
	anything   []any
	pairs      *Pair[string, *Node]
	numbers    *Pair[int, Plain]
	derived    *Derived
	functions  []func() int
	untyped    unsafe.Pointer
	mapSmall   map[string]int
	mapNodes   map[string]*Node
	mapBig     map[int]*Plain
	mapKeys    map[*Plain]struct{}
	mapRecords map[int32]Record
	mapDeleted map[int]*Plain
	mapEmpty   map[int]int
	mapNested  map[string]map[int]*Plain
	mapAny     map[any]any
	mapGrowing map[int]*Plain
	chanEmpty  chan *Node
	chanPart   chan *Node
	chanPlain  chan Plain
	chanStruct chan Pair[string, *Node]
	syncMap    sync.Map
	once       sync.Once
	mutexes    [3]sync.RWMutex
)

func plain(n int, state truth.State) *Plain { return truth.Obj(&Plain{A: int64(n)}, state) }

var letters = [...]string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o", "p"}

//go:noinline
func maps() {
	mapSmall = truth.Ref(map[string]int{}, truth.Live)
	mapSmall["one"], mapSmall["two"] = 1, 2
	mapNodes = truth.Ref(make(map[string]*Node), truth.Live)
	for _, s := range letters {
		mapNodes[s] = list(1, truth.Live)
	}
	mapBig = truth.Ref(make(map[int]*Plain), truth.Live)
	for i := 0; i < 3000; i++ {
		mapBig[i] = plain(i, truth.Live)
	}
	mapKeys = truth.Ref(make(map[*Plain]struct{}), truth.Live)
	for i := 0; i < 50; i++ {
		mapKeys[plain(i, truth.Live)] = struct{}{}
	}
	mapRecords = truth.Ref(make(map[int32]Record), truth.Live)
	for i := int32(0); i < 20; i++ {
		mapRecords[i] = Record{ID: int(i), Ref: plain(int(i), truth.Live)}
	}
	mapDeleted = truth.Ref(make(map[int]*Plain), truth.Live)
	for i := 0; i < 400; i++ {
		state := truth.Freed
		if i%10 == 0 {
			state = truth.Live
		}
		mapDeleted[i] = plain(i, state)
	}
	for i := 0; i < 400; i++ {
		if i%10 != 0 {
			delete(mapDeleted, i)
		}
	}
	mapEmpty = truth.Ref(make(map[int]int, 100), truth.Live)
	mapNested = truth.Ref(make(map[string]map[int]*Plain), truth.Live)
	for _, s := range letters[:4] {
		m := truth.Ref(make(map[int]*Plain), truth.Live)
		m[1] = plain(1, truth.Live)
		mapNested[s] = m
	}
	mapAny = truth.Ref(make(map[any]any), truth.Live)
	mapAny["text"] = plain(1, truth.Live)
	mapAny[plain(2, truth.Live)] = 7
	// One past a doubling: before Swiss tables the old buckets are still there.
	mapGrowing = truth.Ref(make(map[int]*Plain), truth.Live)
	for i := 0; i < 6*64+64/2+1; i++ {
		mapGrowing[i] = plain(i, truth.Live)
	}
	dropping.table = truth.Ref(make(map[string]*Node), truth.Dropped)
	dropping.table["lost"] = list(2, truth.Dropped)
	for i := 0; i < 30; i++ {
		syncMap.Store(i, plain(i, truth.Live))
	}
	for i := 0; i < 60; i++ {
		syncMap.Load(i)
	}
	for i := 30; i < 40; i++ {
		syncMap.Store(i, plain(i, truth.Live))
	}
	truth.Total("map.small", uint64(len(mapSmall)))
	truth.Total("map.nodes", uint64(len(mapNodes)))
	truth.Total("map.big", uint64(len(mapBig)))
	truth.Total("map.keys", uint64(len(mapKeys)))
	truth.Total("map.records", uint64(len(mapRecords)))
	truth.Total("map.deleted", uint64(len(mapDeleted)))
	truth.Total("map.empty", uint64(len(mapEmpty)))
	truth.Total("map.growing", uint64(len(mapGrowing)))
}

//go:noinline
func channels() {
	chanEmpty = truth.Ref(make(chan *Node), truth.Live)
	chanPart = truth.Ref(make(chan *Node, 16), truth.Live)
	for i := 0; i < 5; i++ {
		chanPart <- list(1, truth.Live)
	}
	chanPlain = truth.Ref(make(chan Plain, 3), truth.Live)
	chanPlain <- Plain{A: 1}
	chanStruct = truth.Ref(make(chan Pair[string, *Node], 8), truth.Live)
	chanStruct <- Pair[string, *Node]{Key: "sent", Value: list(1, truth.Live)}
	dropping.channel = truth.Ref(make(chan *Node, 2), truth.Dropped)
	dropping.channel <- list(1, truth.Dropped)
}

//go:noinline
func functionValues() {
	p, q := plain(1, truth.Live), int64(2)
	functions = append(functions, func() int { return int(p.A) })
	functions = append(functions, func() int { q++; return int(q) }) // by reference: q lives in a box of its own
	functions = append(functions, truth.Obj(&Bound{Ref: plain(3, truth.Live)}, truth.Live).method)
	a, b, c := held("first capture", truth.Live), "text", 3
	functions = append(functions, func() int { use(a); return len(b) + c })
}

//go:noinline
func values() {
	maps()
	channels()
	functionValues()
	shapes = append(shapes, truth.Obj(&Square{Side: 2, Ref: plain(1, truth.Live)}, truth.Live),
		Circle{R: 1, Ref: plain(2, truth.Live)})
	anything = append(anything, list(1, truth.Live), Circle{R: 2, Ref: plain(3, truth.Live)}, 1<<40, "text",
		truth.Slice(make([]*Node, 3), truth.Live), truth.Ref(map[int]int{1: 1}, truth.Live),
		truth.Obj(&[3]any{plain(4, truth.Live)}, truth.Live))
	for i := 0; i < 4; i++ {
		pairs = truth.Obj(&Pair[string, *Node]{Key: "pair", Value: list(1, truth.Live), Next: pairs}, truth.Live)
		numbers = truth.Obj(&Pair[int, Plain]{Key: i, Next: numbers}, truth.Live)
	}
	derived = truth.Obj(&Derived{Base{plain(5, truth.Live)}, truth.Obj(&Other{}, truth.Live), "derived"}, truth.Live)
	untyped = unsafe.Pointer(truth.Obj(&Bound{Ref: plain(6, truth.Live)}, truth.Live))
	mutexes[0].RLock()
	once.Do(func() {})
}
