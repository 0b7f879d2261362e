// Plug opens a plugin: a second module of the same runtime, with types, globals and code of its own.
//
//	plug TRUTH PLUGIN
package main

import (
	"corpus/truth"
	"os"
	"plugin"
)

type Held struct {
	By  string
	Ref *Held
}

var (
	global *Held
	lost   *Held
	others []interface{}
)

//go:noinline
func held(by string, state truth.State) *Held {
	return truth.Obj(&Held{By: by, Ref: truth.Obj(&Held{}, state)}, state)
}

func main() {
	truth.Begin(os.Args[1])
	global = held("global", truth.Live)
	lost = held("dropped", truth.Dropped)
	p, err := plugin.Open(os.Args[2])
	if err != nil {
		panic(err)
	}
	f, err := p.Lookup("Fill")
	if err != nil {
		panic(err)
	}
	others = f.(func() []interface{})()
	d, err := p.Lookup("Drop")
	if err != nil {
		panic(err)
	}
	truth.Settle(truth.Nothing, truth.Nothing, func() { lost = nil; d.(func())() })
	truth.Write(truth.Nothing)
	truth.Unmap()
	truth.Say("ready\n")
	truth.Wait()
}
