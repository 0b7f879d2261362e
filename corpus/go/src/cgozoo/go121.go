//go:build go1.21

package main

import (
	"corpus/truth"
	"runtime"
	"unsafe"
)

var pinner runtime.Pinner

func init() {
	more = append(more, func() {
		h := held("pinned for C", truth.Live)
		pinner.Pin(h)
		giveToC(unsafe.Pointer(h))
	})
}
