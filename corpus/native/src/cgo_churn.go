// cgo_churn - C memory under Go's: goroutines that allocate in C and keep some of it, whatever malloc C has.
//
//	cgo_churn TRUTH
//
// Go's own heap is none of the truth's business; what C holds, the recorder says.
package main

/*
#include <stdlib.h>
#include <string.h>

struct node {
	struct node *next;
	char text[];
};

static struct node *node_new(struct node *next, size_t size)
{
	struct node *n = malloc(sizeof *n + size);

	memset(n->text, 0x5a, size);
	n->next = next;
	return n;
}
*/
import "C"

import (
	"fmt"
	"os"
	"sync"
	"time"
	"unsafe"
)

const workers, steps = 4, 500

var held [workers]*C.struct_node

func work(number int, done *sync.WaitGroup) {
	var kept *C.struct_node
	for i := 0; i < steps; i++ {
		node := C.node_new(kept, C.size_t((i*7919+number*104729)%3000))
		if i%3 == 0 {
			kept = node
		} else {
			C.free(unsafe.Pointer(node))
		}
	}
	held[number] = kept
	done.Done()
}

func main() {
	var done sync.WaitGroup
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: cgo_churn TRUTH")
		os.Exit(2)
	}
	if err := os.WriteFile(os.Args[1], nil, 0o644); err != nil {
		panic(err)
	}
	done.Add(workers)
	for i := range held {
		go work(i, &done)
	}
	done.Wait()
	fmt.Println("ready", os.Getpid())
	for {
		time.Sleep(time.Hour)
	}
}
