// Boxes has what lies right behind a pointer to a type, and is no value of that type: together they look
// like an interface.
//
//	boxes TRUTH
package main

import (
	"corpus/truth"
	"os"
	"reflect"
	"strings"
)

type Entry struct {
	next *Entry
	name string
}

// The string is as long as a map's header, the array as an Entry.
var (
	table struct {
		of   reflect.Type
		text string
	}
	node struct {
		of   reflect.Type
		data *[3]*int
	}
	row *Row
)

// Row is the same on the heap, where the collector's own words tell.
type Row struct {
	of   reflect.Type
	text string
	kind reflect.Type
	data *[3]*int
}

//go:noinline
func fill() {
	table.of = reflect.TypeOf(map[int32]*Entry{})
	table.text = truth.Bytes(strings.Repeat("x", 45), truth.Live)
	node.of = reflect.TypeOf(Entry{})
	node.data = truth.Obj(new([3]*int), truth.Live)
	row = truth.Obj(new(Row), truth.Live)
	row.of, row.kind = table.of, node.of
	row.text = truth.Bytes(strings.Repeat("y", 46), truth.Live)
	row.data = truth.Obj(new([3]*int), truth.Live)
}

func main() {
	truth.Begin(os.Args[1])
	fill()
	truth.Settle(truth.Nothing, truth.Nothing, truth.Nothing)
	truth.Write(truth.Nothing)
	truth.Unmap()
	truth.Say("ready\n")
	truth.Wait()
}
