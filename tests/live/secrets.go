// A process of Go with secrets in every kind of place, for test_shrink.py.
//
//	secrets FILE
//
// FILE has a secret a line.  It says `ready LOST`, how many goroutines wait forever, and waits.
package main

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

type account struct {
	id    int
	name  string
	token [40]byte
	next  *account
	any   interface{}
}

type words struct { // eight bytes of a secret each, between pointers
	a    uint64
	held *account
	b, c uint64
}

var (
	byName  = map[string]*account{}
	inArray [64 << 10]byte
	inKeys  = map[[24]byte]int{}
	slices  [][]byte
	list    *account
	pool    sync.Pool
	queue   = make(chan string, 4096)
	all     []*words
	boxed   []interface{}
	at      int
	enough  atomic.Bool
)

func word(s string, from int) (w uint64) {
	for i := 0; i < 8; i++ {
		w |= uint64(s[(from+i)%len(s)]) << (8 * i)
	}
	return w
}

func waits(s string, stuck chan int) {
	var here [200]byte
	copy(here[3:], s)
	w := word(s, 1)
	stuck <- int(here[5])
	fmt.Println(w, here[7])
}

//go:noinline
func deep(s string, n int) int {
	var here [100]byte
	copy(here[:], s)
	if n > 0 {
		return deep(s, n-1) + int(here[n%100])
	}
	return int(here[0])
}

// Vector registers hold it whenever it is preempted; 1.26 keeps them outside of stacks.
//
//go:noinline
func spins(a, b *[64]byte) {
	for !enough.Load() {
		*b = *a
		*a = *b
	}
}

func plant(no int, s string) {
	switch no % 12 {
	case 0:
		byName[s] = &account{id: no, name: s}
	case 1:
		a := &account{id: no, name: strings.ToLower(s), next: list}
		copy(a.token[:], s)
		list = a
	case 2:
		at += copy(inArray[at:], s) + 1
	case 3:
		var key [24]byte
		copy(key[:], s)
		inKeys[key] = no
	case 4:
		b := make([]byte, len(s)+no%100)
		copy(b[no%100:], s)
		slices = append(slices, b[:no%100])
	case 5:
		pool.Put([]byte(s))
	case 6:
		select {
		case queue <- strings.Repeat(s, 2):
		default:
		}
	case 7:
		all = append(all, &words{word(s, 0), list, word(s, 3), word(s, 8)})
	case 8:
		boxed = append(boxed, s, []byte(s), [9]byte([]byte(s)[:9]))
	case 9:
		_ = make([]byte, 500+no%1000)
		garbage := []byte(s + s + s)
		deep(string(garbage), 20)
	case 10:
		deep(s, 5)
	case 11:
		os.Setenv("SECRET"+s[:4], s)
	}
}

func main() {
	file, err := os.Open(os.Args[1])
	if err != nil {
		panic(err)
	}
	debug.SetGCPercent(400)
	lines := bufio.NewScanner(file)
	stuck := make(chan int)
	n := 0
	for lines.Scan() {
		plant(n, lines.Text())
		if n == 3 {
			a := [64]byte([]byte(strings.Repeat(lines.Text(), 64)))
			go spins(&a, new([64]byte))
		}
		if n%500 == 0 {
			go waits(lines.Text(), stuck)
		}
		n++
	}
	time.Sleep(50 * time.Millisecond)
	enough.Store(true)
	fmt.Println("ready", n/500)
	for {
		time.Sleep(time.Hour)
		runtime.KeepAlive(file)
	}
}
