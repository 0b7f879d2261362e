//go:build goexperiment.arenas

package main

import "arena"

type node struct {
	next *node
	leaf *Leaf
	pad  [5]int
}

var (
	held *arena.Arena
	head *node
	list []*Leaf
)

// UserArena makes a list in an arena, and leaves of the heap that hang on it.
func userArena() {
	held = arena.NewArena()
	for i := 0; i < 300; i++ {
		n := arena.New[node](held)
		n.next, n.leaf = head, leaf(i)
		head = n
	}
	list = arena.MakeSlice[*Leaf](held, 50, 50)
	for i := range list {
		list[i] = leaf(i)
	}
}
