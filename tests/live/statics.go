// Objects that the linker lays out, and who points to them.
package main

import (
	"bufio"
	"fmt"
	"os"
)

type item struct{ room [4096]byte }

type sub struct {
	up    *config
	queue []*item
}

type config struct {
	name  string
	items []*item
	sub   *sub
}

type store interface{ add() }

type memory struct{ rows []*item }

func (m *memory) add() { m.rows = append(m.rows, &item{}) }

type ring struct {
	own  *ring
	many []*item
}

var conf = &config{name: "only one", sub: &sub{}}
var first = &config{name: "two of them"}
var second = first
var back store = &memory{}
var list = &[]*item{}
var self = &ring{}

// A pointer to a field of what another one points to.
var inner = &conf.items

func main() {
	self.own = self
	conf.sub.up = conf
	for i := 0; i < 50; i++ {
		conf.items = append(conf.items, &item{})
		conf.sub.queue = append(conf.sub.queue, &item{})
		first.items = append(first.items, &item{})
		back.add()
		*list = append(*list, &item{})
		self.many = append(self.many, &item{})
	}
	fmt.Println("ready")
	bufio.NewReader(os.Stdin).ReadString('\n')
	fmt.Println(len(conf.items), len(second.items), conf.sub, back, list, self, inner)
}
