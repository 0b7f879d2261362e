// memprofile: allocations that the runtime samples, waiting that it takes down, and its own profiles of them, written just
// before the dump.
//
//	memprofile FILE [RATE [BLOCKRATE MUTEXRATE]]
//
// RATE 0 leaves runtime.MemProfileRate as it is; with the other two, FILE.block and FILE.mutex are written too.  Kept and dropped, small and large, inlined calls, recursion, methods,
// closures, another goroutine.  It says "ready" when the file is complete, and does nothing more.
package main

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"runtime/pprof"
	"strconv"
	"strings"
	"sync"
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

var (
	guard sync.Mutex
	other sync.RWMutex
)

// Inlined into whoever calls it.
func hold(d time.Duration) { time.Sleep(d); guard.Unlock() }

//go:noinline
func compete(depth int, done chan bool) {
	if depth > 0 {
		compete(depth-1, done)
		return
	}
	for i := 0; i < 20; i++ {
		guard.Lock()
		hold(200 * time.Microsecond)
		other.Lock()
		other.Unlock()
	}
	done <- true
}

// Goroutines that wait for each other: for locks, at channels, in a select.
func contend() {
	done := make(chan bool)
	for i := 0; i < 6; i++ {
		go compete(i%3, done)
	}
	timer := time.After(time.Hour)
	for i := 0; i < 6; i++ {
		select {
		case <-done:
		case <-timer:
		}
	}
	later := make(chan int)
	go func() {
		time.Sleep(3 * time.Millisecond)
		later <- 1
	}()
	<-later
}

func number(i int) int {
	if len(os.Args) <= i {
		return 0
	}
	n, _ := strconv.Atoi(os.Args[i])
	return n
}

// In its own buffer first: writing must not wait for anything that is taken down.
func write(name, path string) {
	var b bytes.Buffer
	if err := pprof.Lookup(name).WriteTo(&b, 0); err != nil {
		panic(err)
	}
	if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
		panic(err)
	}
}

func main() {
	waits := len(os.Args) > 4
	if waits {
		runtime.SetBlockProfileRate(number(3))
		runtime.SetMutexProfileFraction(number(4))
		contend()
		time.Sleep(50 * time.Millisecond)
		runtime.SetBlockProfileRate(0)
		if !strings.HasPrefix(runtime.Version(), "go1.19") { // which scales the profile up by what is set when it is read
			runtime.SetMutexProfileFraction(0)
		}
	}
	if len(os.Args) > 2 {
		if rate := number(2); rate > 0 {
			runtime.MemProfileRate = rate
		}
	}
	work()
	for i := 0; i < 3; i++ {
		runtime.GC()
	}
	if waits {
		write("block", os.Args[1]+".block")
		write("mutex", os.Args[1]+".mutex")
	}
	write("heap", os.Args[1])
	fmt.Println("ready")
	time.Sleep(time.Hour)
	runtime.KeepAlive([]any{nodes, kept, shelf, words})
}
