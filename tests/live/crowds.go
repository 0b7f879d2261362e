// Crowds is a program whose goroutines are too many, though each of them may still be woken.
//
//	crowds pairs	a reader and a writer for each of 300 connections, until a context that is never ended
//	crowds bodies	150 answers of a server whose bodies are never closed
//	crowds closed	the same, closed
//	crowds clients	60 clients with 64 KiB that wait to be sent, in a table and on the stacks of who serves them
//	crowds table	the same, in the table alone
//	crowds session	3,000 records in a field of what two stacks alone lead to
//	crowds timers	4,000 functions with a buffer each that are to be called in an hour
package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"time"
)

type conn struct {
	space   []byte
	in, out chan []byte
}

var all, end = context.WithCancel(context.Background())

//go:noinline
func (c *conn) read() {
	select {
	case <-all.Done():
	case c.space = <-c.in:
	}
}

//go:noinline
func (c *conn) write() {
	select {
	case <-all.Done():
	case c.space = <-c.out:
	}
}

//go:noinline
func open() {
	c := &conn{make([]byte, 4096), make(chan []byte), make(chan []byte)}
	go c.read()
	go c.write()
}

func serve() string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	go http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Write(make([]byte, 20000))
	}))
	return "http://" + listener.Addr().String()
}

//go:noinline
func ask(url string, closes bool) {
	answer, err := http.Get(url)
	if err != nil {
		panic(err)
	}
	if closes {
		io.Copy(io.Discard, answer.Body)
		answer.Body.Close()
	}
}

type client struct {
	id      int
	pending [][]byte
}

var clients = map[int]*client{}

//go:noinline
func (c *client) serve() {
	<-all.Done()
	os.Stderr.Write(c.pending[0])
}

//go:noinline
func accept(id int, serves bool) {
	c := &client{id: id}
	for i := 0; i < 64; i++ {
		c.pending = append(c.pending, make([]byte, 1024))
	}
	clients[id] = c
	if serves {
		go c.serve()
	}
}

type record struct{ text [256]byte }

type store struct {
	name    string
	records map[int]*record
}

//go:noinline
func keep() *store {
	s := &store{name: "all", records: map[int]*record{}}
	for i := 0; i < 3000; i++ {
		s.records[i] = new(record)
	}
	return s
}

//go:noinline
func (s *store) watch() {
	<-all.Done()
	os.Stderr.WriteString(s.name)
}

//go:noinline
func session(s *store) {
	os.Stdout.WriteString("ready\n")
	os.Stdin.Read(make([]byte, 1))
	os.Stderr.WriteString(s.name)
	os.Stderr.Write(s.records[1].text[:])
}

//go:noinline
func later(space []byte) {
	time.AfterFunc(time.Hour, func() { os.Stderr.Write(space) })
}

func main() {
	if os.Args[1] == "session" {
		s := keep()
		go s.watch()
		session(s)
		return
	}
	if os.Args[1] == "timers" {
		for i := 0; i < 4000; i++ {
			later(make([]byte, 512))
		}
	} else if os.Args[1] == "clients" || os.Args[1] == "table" {
		for i := 0; i < 60; i++ {
			accept(i, os.Args[1] == "clients")
		}
	} else if os.Args[1] == "pairs" {
		for i := 0; i < 300; i++ {
			open()
		}
	} else {
		url := serve()
		for i := 0; i < 150; i++ {
			ask(url, os.Args[1] == "closed")
		}
	}
	os.Stdout.WriteString("ready\n")
	os.Stdin.Read(make([]byte, 1))
	end()
}
