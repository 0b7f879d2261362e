// Large is one leak of a size that a first screen must show.
//
//	large TRUTH million	a map of a million entries, of which one in a hundred is left
//	large TRUTH rebuilt	the same map made anew
//	large TRUTH crowd	10,000 goroutines on a channel that nobody will close
//	large TRUTH pooled	as many on a channel that a sleeper will close
package main

import (
	"corpus/truth"
	"os"
	"syscall"
	"time"
	"unsafe"
)

// Session is what a map keeps by number.
type Session struct {
	ID   int64
	Name string
}

// Task is what nobody sends.
type Task struct{ Body [64]byte }

const (
	entries = 1000000
	crowd   = 10000
)

var sessions map[int64]*Session

//go:noinline
func worker(tasks chan *Task, scratch *[256]byte) {
	t := <-tasks
	scratch[0] = t.Body[0]
}

//go:noinline
func sleeper(tasks chan *Task) {
	time.Sleep(24 * time.Hour)
	close(tasks)
}

//go:noinline
func fill() map[int64]*Session {
	m := make(map[int64]*Session)
	for i := int64(0); i < entries; i++ {
		m[i] = &Session{ID: i}
	}
	for i := int64(0); i < entries; i++ {
		if i%100 != 0 {
			delete(m, i)
		}
	}
	return m
}

//go:noinline
func rebuild(old map[int64]*Session) map[int64]*Session {
	m := make(map[int64]*Session, len(old))
	for k, v := range old {
		m[k] = v
	}
	return m
}

//go:noinline
func build(what string) {
	switch what {
	case "million", "rebuilt":
		sessions = fill()
		if what == "rebuilt" {
			sessions = rebuild(sessions)
		}
		truth.Note("map", *(*unsafe.Pointer)(unsafe.Pointer(&sessions)), uintptr(len(sessions)), "sessions", truth.Live)
	default:
		tasks := make(chan *Task)
		for i := 0; i < crowd; i++ {
			go worker(tasks, new([256]byte))
		}
		if what == "pooled" {
			go sleeper(tasks)
			what = "quiet"
		} else {
			what = "stuck"
		}
		truth.Note(what, *(*unsafe.Pointer)(unsafe.Pointer(&tasks)), crowd, "main.worker -", truth.Live)
	}
}

//go:noinline
func clobber() int {
	var space [16 << 10]byte
	for i := range space {
		space[i] = byte(len(os.Args))
	}
	return int(space[len(os.Args)])
}

func main() {
	truth.Begin(os.Args[1])
	build(os.Args[2])
	clobber()
	truth.Settle(truth.Nothing, truth.Nothing, truth.Nothing)
	truth.Write(truth.Nothing)
	truth.Unmap()
	truth.Say("ready\n")
	truth.Wait()
	syscall.Exit(0)
}
