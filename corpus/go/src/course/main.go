// Course is a heap that grows from one collection to the next and leaves its spans half empty, or is
// pressed by a memory limit, or does neither; or whose spans are half empty while what is live stays.
//
//	course TRUTH grow|limit|sparse|steady
//
// Totals of its own: the goals that the runtime gave after the last two collections.
package main

import (
	"corpus/truth"
	"os"
	"runtime"
	"runtime/debug"
	"syscall"
)

// Page is live, or gone.
type Page struct {
	next *Page
	body [1000]byte
}

// Small fills a span with many others.
type Small [48]byte

var (
	pages *Page
	few   []*Small
	stats runtime.MemStats
)

//go:noinline
func grow(n int) {
	for i := 0; i < n; i++ {
		pages = &Page{next: pages}
	}
}

// One in twenty stays.
//
//go:noinline
func scatter(n int) {
	all := make([]*Small, n)
	for i := range all {
		all[i] = new(Small)
	}
	for i := 0; i < n; i += 20 {
		few = append(few, all[i])
	}
}

//go:noinline
func collect(name string) {
	runtime.GC()
	runtime.ReadMemStats(&stats)
	truth.Total("course."+name, stats.NextGC)
}

func main() {
	truth.Begin(os.Args[1])
	mode := os.Args[2]
	debug.SetGCPercent(100)
	grow(12 << 10)
	switch mode {
	case "limit":
		debug.SetMemoryLimit(20 << 20)
	case "grow", "sparse":
		scatter(400000)
	}
	collect("before")
	flat := mode == "steady" || mode == "sparse"
	if !flat {
		grow(12 << 10)
	}
	collect("last_goal")
	if !flat {
		grow(16 << 10)
	}
	collect("goal")
	truth.Total("course."+mode, 1)
	truth.Write(func() {})
	truth.Unmap()
	truth.Say("ready\n")
	truth.Wait()
	syscall.Exit(len(few) & 1)
}
