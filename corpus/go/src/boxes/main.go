// Boxes has what lies right behind a pointer to a type, and is no value of that type: together they look
// like an interface. And things that have pools in them, which the runtime's lists of pools lead to; and buffers.
//
//	boxes TRUTH
package main

import (
	"bufio"
	"corpus/truth"
	"io"
	"os"
	"reflect"
	"strings"
	"sync"
	"syscall"
	"time"
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

// A Cache is far from its variable, and near to the list of pools.
type Cache struct {
	size  int
	pool  sync.Pool
	items []*Item
}

type Item [5]*int

type Shelf struct {
	next  *Shelf
	cache *Cache
}

var shelf *Shelf

//go:noinline
func shelve() {
	cache := &Cache{items: make([]*Item, 3)}
	for i := range cache.items {
		cache.items[i] = truth.Obj(new(Item), truth.Live)
	}
	shelf = &Shelf{next: &Shelf{next: &Shelf{cache: cache}}}
}

// A goroutine that waits has what is in the pool, and so has one that is in a system call: that may be about to
// let go of it.
var (
	rest = make(chan struct{})
	sink int
)

//go:noinline
func giveAndKeep(cache *Cache, item *Item) {
	cache.pool.Put(item)
	<-rest
	sink += *item[0]
}

//go:noinline
func giveAndRun(cache *Cache, item *Item, fd int) {
	var b [1]byte
	cache.pool.Put(item)
	syscall.Read(fd, b[:])
	sink += *item[0]
}

func fillPool() {
	var fds [2]int
	cache := shelf.next.next.cache
	if syscall.Pipe(fds[:]) != nil {
		panic("pipe")
	}
	go giveAndKeep(cache, truth.Obj(new(Item), truth.Live))
	go giveAndRun(cache, truth.Obj(new(Item), truth.Live), fds[0])
	cache.pool.Put(truth.Obj(new(Item), truth.Live))
	time.Sleep(50 * time.Millisecond)
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

// The same was written to each; what they have it in is a buffer all the same.
var writers []io.Writer

func write() {
	for i := 0; i < 50; i++ {
		writers = append(writers, bufio.NewWriter(os.Stdout))
		io.WriteString(writers[i], "GET / HTTP/1.1\r\nHost: example.com\r\n\r\n")
	}
}

func main() {
	truth.Begin(os.Args[1])
	fill()
	write()
	shelve()
	truth.Settle(fillPool, truth.Nothing, truth.Nothing)
	truth.Write(truth.Nothing)
	truth.Unmap()
	truth.Say("ready\n")
	truth.Wait()
}
