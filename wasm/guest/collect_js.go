package guest

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	_ "unsafe" // for go:linkname
)

// Go's collector interrupts whoever runs when it begins and when it ends, and has those wait that allocate meanwhile; then
// other goroutines go on, and handlers would interleave where none of them waits. So the heap is collected between turns:
// before an event is delivered, when nothing runs, once it has grown to what Go itself would let it grow to. A handler that
// allocates several times that in one turn is interrupted after all. For that case events still begin in their order
// (Guest.work), and what the guest's goroutines share is changed while they are pinned.

const (
	ownPercent = 400     // GOGC for what is allocated within a turn
	leastHeap  = 4 << 20 // as Go has it
	maxSkipped = 256     // events between two looks at the heap
	minSkipped = 4
)

// heap is when to collect.
type heap struct {
	own     bool             // the program's environment says how to collect: Go does
	due     uint64           // bytes
	last    uint64           // bytes at the last look
	skipped int              // events since then
	skip    int              // how many may be
	sample  []metrics.Sample // made once
}

func newHeap() heap {
	h := heap{own: os.Getenv("GOGC") != "", due: leastHeap, skip: minSkipped, sample: []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}}
	if !h.own {
		debug.SetGCPercent(ownPercent)
	}
	return h
}

// tend collects if it is time. It comes before an event, and looks at the heap often enough to be in time.
func (h *heap) tend() {
	if h.skipped++; h.own || h.skipped < h.skip {
		return
	}
	used := h.used()
	if used >= h.due {
		runtime.GC()
		used = h.used()
		h.due = max(leastHeap, 2*used)
		// What may be lived with is better collected here than where the memory's limit would have it.
		if limit := uint64(debug.SetMemoryLimit(-1)); h.due > limit/8*7 {
			h.due = max(limit/8*7, used+leastHeap)
		}
		h.last, h.skipped = used, 0
		return
	}
	each := (max(used, h.last) - h.last) / uint64(h.skipped)
	h.skip = int(min(max((h.due-used)/4/(each+1), minSkipped), maxSkipped))
	h.last, h.skipped = used, 0
}

// makeRoom collects if so many bytes more would come near the memory's limit: what is allocated while a goroutine is pinned has
// nothing collected.
func (h *heap) makeRoom(n uint64) {
	if h.own || n < leastHeap {
		return
	}
	if h.used()+n > uint64(debug.SetMemoryLimit(-1))/8*7 {
		runtime.GC()
	}
}

func (h *heap) used() uint64 {
	metrics.Read(h.sample)
	return h.sample[0].Value.Uint64()
}

// pin has nothing interrupt the running goroutine until unpin. In between it must not wait, nor call the platform.
func (*port) pin() { procPin() }

func (*port) unpin() { procUnpin() }

//go:linkname procPin runtime.procPin
func procPin() int

//go:linkname procUnpin runtime.procUnpin
func procUnpin()
