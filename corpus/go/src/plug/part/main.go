// Part is the plugin of plug.
package main

import "corpus/truth"

// Piece is a type of the plugin's alone.
type Piece struct {
	By  string
	Ref *Piece
}

var (
	own     *Piece
	table   [10]*Piece
	byName  = map[string]*Piece{}
	lost    *Piece
	forever = make(chan struct{})
	sink    int
)

//go:noinline
func piece(by string, state truth.State) *Piece {
	return truth.Obj(&Piece{By: by, Ref: truth.Obj(&Piece{}, state)}, state)
}

//go:noinline
func parked() {
	h := piece("goroutine", truth.Live)
	<-forever
	sink += len(h.By)
}

// Fill makes objects that the plugin holds, and others that it hands out.
func Fill() []interface{} {
	own = piece("global", truth.Live)
	for i := range table {
		table[i] = piece("table", truth.Live)
	}
	byName["a"] = piece("map", truth.Live)
	lost = piece("dropped", truth.Dropped)
	go parked()
	return []interface{}{piece("handed out", truth.Live), func() { sink += len(own.By) }}
}

// Drop lets go.
func Drop() { lost = nil }

func main() {}
