package main

import (
	"corpus/truth"
	"runtime"
	"runtime/debug"
)

// Node is a linked object with text beside its pointers.
type Node struct {
	Next *Node
	Name string
	Data [100]byte
}

// Plain has no pointers.
type Plain struct{ A, B, C int64 }

// Wide is past 512 bytes: since Go 1.22 its type stands in front of it.
type Wide struct {
	First *Plain
	Pad   [600]byte
	Last  *Plain
}

// Huge has a span of its own.
type Huge struct {
	Head *Node
	Pad  [40000]byte
	Tail *Node
}

// Tree is a shape with two ways down.
type Tree struct {
	L, R *Tree
	Key  int
}

var (
	liveNodes   *Node
	livePlains  [40]*Plain
	liveWides   []*Wide
	liveHuge    *Huge
	liveTree    *Tree
	liveTiny    [32]*int8
	liveStrings [16]string
	liveClasses [][]byte
	liveScanned [][]*Plain
	liveArrays  struct {
		nodes  []Node
		wides  []Wide
		huge   []*Node
		twoDim [][]Plain
		fixed  *[7]*Wide
	}
	nowhere *Node // what is freed passes through here
)

//go:noinline
func list(n int, state truth.State) *Node {
	var head *Node
	for i := 0; i < n; i++ {
		head = truth.Obj(&Node{Next: head, Name: "node"}, state)
	}
	return head
}

//go:noinline
func tree(depth int, state truth.State) *Tree {
	if depth == 0 {
		return nil
	}
	return truth.Obj(&Tree{L: tree(depth-1, state), R: tree(depth-1, state), Key: depth}, state)
}

//go:noinline
func wide(state truth.State) *Wide {
	return truth.Obj(&Wide{First: truth.Obj(&Plain{A: 1}, state), Last: truth.Obj(&Plain{A: 2}, state)}, state)
}

// Sizes are the size classes of this runtime, as it says itself, and those past what it says.
func sizes() []int {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	var found []int
	for _, s := range m.BySize {
		if s.Size >= 16 {
			found = append(found, int(s.Size))
		}
	}
	return append(found, 20480, 21760, 24576, 27264, 28672, 32768, 32769, 65536, 100000)
}

//go:noinline
func classes(state truth.State) (plain [][]byte, scanned [][]*Plain) {
	for _, n := range sizes() {
		plain = append(plain, truth.Slice(make([]byte, n), state))
		array := truth.Slice(make([]*Plain, n/8), state)
		array[len(array)-1] = truth.Obj(&Plain{C: int64(n)}, state) // at the very end of its pointers
		scanned = append(scanned, array)
	}
	return plain, scanned
}

//go:noinline
func census() {
	liveNodes = list(300, truth.Live)
	dropping.nodes = list(200, truth.Dropped)
	nowhere = list(100, truth.Freed)
	nowhere = nil
	for i := range livePlains {
		livePlains[i] = truth.Obj(&Plain{A: int64(i)}, truth.Live)
	}
	for i := 0; i < 10; i++ {
		liveWides = append(liveWides, wide(truth.Live))
		dropping.objects = append(dropping.objects, wide(truth.Dropped))
	}
	liveHuge = truth.Obj(&Huge{Head: list(1, truth.Live), Tail: list(2, truth.Live)}, truth.Live)
	dropping.objects = append(dropping.objects, truth.Obj(&Huge{Tail: list(3, truth.Dropped)}, truth.Dropped))
	liveTree = tree(6, truth.Live)
	dropping.root = tree(5, truth.Dropped)
	for i := range liveTiny {
		liveTiny[i] = truth.Obj(new(int8), truth.Live)
	}
	for i := range liveStrings {
		liveStrings[i] = truth.Bytes(string(make([]byte, 20+40*i)), truth.Live)
	}
	liveClasses, liveScanned = classes(truth.Live)
	dropping.classes, dropping.scanned = classes(truth.Dropped)
	liveArrays.nodes = truth.Slice(make([]Node, 3, 9), truth.Live)
	liveArrays.nodes[:9][8].Next = list(1, truth.Live) // past the length: the collector looks there all the same
	liveArrays.wides = truth.Slice(make([]Wide, 80), truth.Live)
	liveArrays.wides[79].Last = truth.Obj(&Plain{}, truth.Live)
	liveArrays.huge = truth.Slice(make([]*Node, 9000), truth.Live)
	liveArrays.huge[8999] = list(1, truth.Live)
	liveArrays.twoDim = truth.Slice(make([][]Plain, 5), truth.Live)
	for i := range liveArrays.twoDim {
		liveArrays.twoDim[i] = truth.Slice(make([]Plain, i+1), truth.Live)[1:]
	}
	liveArrays.fixed = truth.Obj(&[7]*Wide{6: wide(truth.Live)}, truth.Live)
}

var ballast []byte

// Idle leaves spans that went back to the system, and spans that did not.
//
//go:noinline
func idle() {
	ballast = make([]byte, 4<<20)
	for i := range ballast {
		ballast[i] = 1
	}
	ballast = nil
	debug.FreeOSMemory()
	ballast = make([]byte, 1<<20)
	for i := range ballast {
		ballast[i] = 2
	}
	ballast = nil
}
