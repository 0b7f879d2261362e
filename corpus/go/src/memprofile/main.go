// memprofile: allocations that the runtime samples, and its own profile of them, written just before the dump.
//
//	memprofile FILE [RATE]
//
// RATE 0 leaves runtime.MemProfileRate as it is.  Kept and dropped, small and large, inlined calls, recursion, methods,
// closures, another goroutine.  It says "ready" when the file is complete, and does nothing more.
package main

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"runtime/pprof"
	"strconv"
	"time"
)

type node struct {
	next *node
	body [10]int
}

type store struct{ rows map[int][]byte }

var (
	nodes  *node
	kept   [][]byte
	shelf  = &store{rows: map[int][]byte{}}
	words  []string
	dumped []byte
)

// Small enough to be inlined, twice over.
func newNode(next *node) *node { return &node{next: next} }
func pushNode()                { nodes = newNode(nodes) }

//go:noinline
func grow(depth, size int) {
	if depth > 0 {
		grow(depth-1, size)
		return
	}
	kept = append(kept, make([]byte, size))
}

//go:noinline
func (s *store) put(i int) { s.rows[i] = make([]byte, 700+i%50) }

//go:noinline
func garbage(n int) (sum int) {
	for i := 0; i < n; i++ {
		b := make([]byte, 3000+i%7)
		sum += len(b)
		dumped = b
	}
	return sum
}

func work() {
	for i := 0; i < 20000; i++ {
		pushNode()
	}
	for i := 0; i < 60; i++ {
		grow(i%5, 40000+i)
	}
	for i := 0; i < 5000; i++ {
		shelf.put(i)
	}
	done := make(chan bool)
	go func() {
		for i := 0; i < 30000; i++ {
			words = append(words, fmt.Sprint("word ", i))
		}
		done <- true
	}()
	<-done
	garbage(5000)
	for i := 0; i < 4000; i += 2 {
		delete(shelf.rows, i)
	}
}

func main() {
	if len(os.Args) > 2 {
		if rate, _ := strconv.Atoi(os.Args[2]); rate > 0 {
			runtime.MemProfileRate = rate
		}
	}
	work()
	for i := 0; i < 3; i++ {
		runtime.GC()
	}
	var b bytes.Buffer
	if err := pprof.Lookup("heap").WriteTo(&b, 0); err != nil {
		panic(err)
	}
	if err := os.WriteFile(os.Args[1], b.Bytes(), 0o644); err != nil {
		panic(err)
	}
	fmt.Println("ready")
	time.Sleep(time.Hour)
	runtime.KeepAlive([]any{nodes, kept, shelf, words})
}
