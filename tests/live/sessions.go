// A server's sessions, kept for ever: types with methods, and a function that waits for ever.
package main

import (
	"fmt"
	"io"
	"os"
)

type Session struct {
	id   int
	next *Session
	name [40]byte
}

type byName []*Session

var sessions = map[int]*Session{}
var sorted byName

// By value, so that the compiler makes a wrapper for pointers, of no source.
func (s Session) String() string { return fmt.Sprint(s.id, s.name[0]) }

//go:noinline
func (s *Session) Touch() { s.name[0]++ }

//go:noinline
func waits(never chan int) {
	<-never
}

func main() {
	for i := 0; i < 20000; i++ {
		s := &Session{id: i}
		s.Touch()
		sessions[i] = s
	}
	sorted = append(sorted, sessions[1])
	var shown fmt.Stringer = sorted[0]
	for i := 0; i < 500; i++ {
		go waits(make(chan int))
	}
	fmt.Fprintln(os.Stderr, shown)
	fmt.Println("ready")
	io.ReadAll(os.Stdin)
}
