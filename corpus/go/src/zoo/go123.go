//go:build go1.23

package main

import (
	"corpus/truth"
	"iter"
)

var pull func() (*Held, bool)

//go:noinline
func sequence(yield func(*Held) bool) {
	h := held("coroutine", truth.Live)
	yield(h)
	yield(h)
}

func init() {
	parts = append(parts, func() {
		pull, _ = iter.Pull(sequence)
		pull()
	})
}
