// Shapes has types too big for a plain pointer mask, types made at run time, and with GOEXPERIMENT=arenas
// a user arena: what is live in them hangs on nothing else.
//
//	shapes TRUTH
package main

import (
	"corpus/truth"
	"os"
	"reflect"
	"runtime"
	"unsafe"
)

// Leaf is held by one slot alone.
type Leaf struct {
	ID  int
	Ref *int
}

// Elem has pointers at its start and in its middle, none at its end.
type Elem struct {
	P *Leaf
	N [2]int
	Q *Leaf
	M [3]int
}

const many = 5000 // elements: 320,000 bytes, more than a mask on its own is made for

type (
	// Big needs a program, or a mask on demand, and has something around it.
	Big struct {
		Head *Leaf
		Body [many]Elem
		Tail *Leaf
	}
	// Late has its only pointer at the end.
	Late struct {
		Body [many * 4]int
		Tail *Leaf
	}
	// Grid is an array of arrays.
	Grid [10][many / 10]Elem
)

var (
	table   [many]Elem // in bss
	filled  = [2]Elem{{N: [2]int{1, 2}}}
	array   *[many]Elem
	big     *Big
	late    *Late
	grid    *Grid
	grids   []Grid
	made    interface{} // of a type that reflect made
	boxes   interface{} // a slice of one
	fields  interface{} // a struct of one
	dropped *Big
	state   = truth.Live
)

//go:noinline
func leaf(id int) *Leaf {
	return truth.Obj(&Leaf{ID: id}, state)
}

func fill(body []Elem) {
	for _, i := range [...]int{0, 1, len(body) / 3, len(body) - 2, len(body) - 1} {
		body[i].P = leaf(i)
		body[i].Q = leaf(-i)
	}
}

func note(p unsafe.Pointer, t reflect.Type) {
	truth.Note("object", p, t.Size(), "", state)
}

//go:noinline
func static() {
	fill(table[:])
	filled[1].P, filled[0].Q = leaf(1), leaf(2)
	array = truth.Obj(new([many]Elem), state)
	fill(array[:])
	big = newBig()
	late = truth.Obj(new(Late), state)
	late.Tail = leaf(3)
	grid = truth.Obj(new(Grid), state)
	fill(grid[0][:])
	fill(grid[9][:])
	grids = truth.Slice(make([]Grid, 3), state)
	for i := range grids {
		fill(grids[i][4][:])
	}
}

func newBig() *Big {
	b := truth.Obj(new(Big), state)
	b.Head, b.Tail = leaf(4), leaf(5)
	fill(b.Body[:])
	return b
}

// Dynamic makes types that no table of the program has.
//
//go:noinline
func dynamic() {
	elem := reflect.TypeOf(Elem{})
	array := reflect.New(reflect.ArrayOf(many+1, elem))
	note(array.UnsafePointer(), array.Type().Elem())
	fill(array.Elem().Slice(0, many+1).Interface().([]Elem))
	made = array.Interface()

	slice := reflect.MakeSlice(reflect.SliceOf(reflect.ArrayOf(3, elem)), 40, 40)
	truth.Note("object", slice.UnsafePointer(), 120*elem.Size(), "", state)
	for i := 0; i < slice.Len(); i += 13 {
		slice.Index(i).Index(2).Field(3 - 1).Set(reflect.ValueOf(leaf(i)))
	}
	boxes = slice.Interface()

	record := reflect.New(reflect.StructOf([]reflect.StructField{
		{Name: "N", Type: reflect.TypeOf(0)},
		{Name: "P", Type: reflect.TypeOf((*Leaf)(nil))},
		{Name: "E", Type: reflect.ArrayOf(30, elem)},
		{Name: "Q", Type: reflect.TypeOf((*Leaf)(nil))},
	}))
	note(record.UnsafePointer(), record.Type().Elem())
	record.Elem().Field(1).Set(reflect.ValueOf(leaf(6)))
	record.Elem().Field(2).Index(29).Field(0).Set(reflect.ValueOf(leaf(7)))
	record.Elem().Field(3).Set(reflect.ValueOf(leaf(8)))
	fields = record.Interface()
}

//go:noinline
func drop() {
	state = truth.Dropped
	dropped = newBig()
	state = truth.Live
}

func main() {
	truth.Begin(os.Args[1])
	static()
	dynamic()
	userArena()
	drop()
	truth.Settle(truth.Nothing, truth.Nothing, func() { dropped = nil })
	truth.Write(truth.Nothing)
	truth.Unmap()
	truth.Say("ready\n")
	truth.Wait()
	runtime.KeepAlive(made)
}
