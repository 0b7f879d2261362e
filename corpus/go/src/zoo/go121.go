//go:build go1.21

package main

import (
	"corpus/truth"
	"runtime"
)

var pinner runtime.Pinner

func init() {
	parts = append(parts, func() {
		for i := 0; i < 4; i++ {
			pinner.Pin(held("pinned", truth.Live))
		}
	})
}
