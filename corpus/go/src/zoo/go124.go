//go:build go1.24

package main

import (
	"corpus/truth"
	"runtime"
	"weak"
)

// Weakly is what weak pointers point to.
type Weakly struct {
	Ref *Plain
	Pad [64]byte
}

var (
	weaks   []weak.Pointer[Weakly]
	strong  []*Weakly
	cleaned []*Held
)

//go:noinline
func weakly(state truth.State) *Weakly {
	w := truth.Obj(&Weakly{Ref: plain(1, state)}, state)
	weaks = append(weaks, weak.Make(w))
	return w
}

func init() {
	parts = append(parts, func() {
		for i := 0; i < 6; i++ {
			strong = append(strong, weakly(truth.Live))
			dropping.objects = append(dropping.objects, weakly(truth.Dropped))
			weakly(truth.Freed)
			c := held("with a cleanup", truth.Live)
			runtime.AddCleanup(c, use, held("argument of a cleanup", truth.Live))
			cleaned = append(cleaned, c)
		}
	})
}
