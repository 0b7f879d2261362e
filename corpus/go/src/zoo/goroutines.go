package main

import (
	"corpus/truth"
	"os"
	"runtime"
	"sync"
	"syscall"
	"time"
)

// One goroutine or more for each way to wait; each holds a Held on its stack, which its name tells.

var (
	waitMutex  sync.Mutex
	waitRW     sync.RWMutex
	waitGroup  sync.WaitGroup
	waitCond   = sync.NewCond(new(sync.Mutex))
	toSend     = make(chan *Held)
	left       = make(chan int)
	right      = make(chan int)
	pipeRead   *os.File
	pipeWrite  *os.File
	rawPipe    [2]int
	oneByte    [1]byte
	countdown  sync.WaitGroup
	nilChannel chan int
)

//go:noinline
func onReceive(h *Held) { <-left; use(h) }

//go:noinline
func onSend(h *Held) { toSend <- h; use(h) }

//go:noinline
func onSelect(h *Held) {
	select {
	case <-left:
	case right <- 1:
	}
	use(h)
}

//go:noinline
func onSelectNothing(h *Held) {
	defer use(h)
	select {}
}

//go:noinline
func onNilReceive(h *Held) { <-nilChannel; use(h) }

//go:noinline
func onNilSend(h *Held) { nilChannel <- 1; use(h) }

//go:noinline
func onMutex(h *Held) { waitMutex.Lock(); use(h) }

//go:noinline
func onRLock(h *Held) { waitRW.RLock(); use(h) }

//go:noinline
func onWLock(h *Held) { waitRW.Lock(); use(h) }

//go:noinline
func onWaitGroup(h *Held) { waitGroup.Wait(); use(h) }

//go:noinline
func onCond(h *Held) {
	waitCond.L.Lock()
	waitCond.Wait()
	use(h)
}

//go:noinline
func onSleep(h *Held) { time.Sleep(5 * time.Hour); use(h) }

//go:noinline
func onPipe(h *Held) {
	var b [1]byte
	pipeRead.Read(b[:])
	use(h)
}

//go:noinline
func onSyscall(h *Held) {
	syscall.Read(rawPipe[0], oneByte[:])
	use(h)
}

//go:noinline
func onLocked(h *Held) {
	runtime.LockOSThread()
	<-left
	use(h)
}

//go:noinline
func goroutines() {
	waitMutex.Lock()
	waitRW.Lock()
	waitGroup.Add(1)
	pipeRead, pipeWrite, _ = os.Pipe()
	syscall.Pipe(rawPipe[:])
	for _, g := range []struct {
		name string
		n    int
		f    func(*Held)
	}{
		{"chan receive", 5, onReceive}, {"chan send", 3, onSend}, {"select", 4, onSelect},
		{"select (no cases)", 1, onSelectNothing}, {"chan receive (nil chan)", 1, onNilReceive},
		{"chan send (nil chan)", 1, onNilSend}, {"mutex", 3, onMutex}, {"rlock", 2, onRLock}, {"wlock", 1, onWLock},
		{"wait group", 2, onWaitGroup}, {"cond", 2, onCond}, {"sleep", 2, onSleep}, {"IO wait", 1, onPipe},
		{"syscall", 1, onSyscall}, {"locked to a thread", 1, onLocked},
	} {
		for i := 0; i < g.n; i++ {
			go g.f(held(g.name, truth.Live))
		}
	}
	for i := 0; i < 10; i++ { // these end: their stacks and g's are free
		countdown.Add(1)
		go func() { use(held("a goroutine that has ended", truth.Freed)); countdown.Done() }()
	}
	countdown.Wait()
}
