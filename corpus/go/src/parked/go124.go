//go:build go1.24

package main

import "runtime"

const nSelfCleaned = 15

//go:noinline
func selfCleaned() {
	for i := 0; i < nSelfCleaned; i++ {
		h := &Handle{ID: i}
		if healthy {
			runtime.AddCleanup(h, func(id int) { sink += id }, i)
		} else { // at one remove: a closure over the object itself is refused since 1.26
			list := []*Handle{h}
			runtime.AddCleanup(h, func(id int) { sink += id + list[0].ID }, i)
		}
	}
}
