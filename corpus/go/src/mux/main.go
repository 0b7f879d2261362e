// Mux has a handler in http.DefaultServeMux whose closure keeps a bytes.Buffer that only grows.
//
//	mux TRUTH
package main

import (
	"bytes"
	"corpus/truth"
	"net/http"
	"os"
	"syscall"
	"unsafe"
)

const size = 24 << 20

//go:noinline
func register() {
	var receipts bytes.Buffer
	http.HandleFunc("/receipt", func(w http.ResponseWriter, r *http.Request) {
		receipts.WriteString(r.URL.Path)
		w.Write(receipts.Bytes())
	})
	for i := 0; i < size; i += 64 {
		receipts.WriteString("a receipt that is never taken out of the buffer once more........"[:64])
	}
	b := receipts.Bytes()
	truth.Note("object", unsafe.Pointer(&b[0]), uintptr(cap(b)), "[]uint8", truth.Live)
}

func main() {
	truth.Begin(os.Args[1])
	register()
	truth.Settle(truth.Nothing, truth.Nothing, truth.Nothing)
	truth.Write(truth.Nothing)
	truth.Unmap()
	truth.Say("ready\n")
	truth.Wait()
	syscall.Exit(0)
}
