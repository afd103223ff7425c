package guest

import (
	"slices"
	"unsafe"

	"durago.example/objects/driver"
	"durago.example/wasm/abi"
)

//go:wasmimport durago call
//go:noescape
func hostCall(ctx, op, token uint32, p unsafe.Pointer, n uint32) int32

//go:wasmimport durago take
//go:noescape
func hostTake(p unsafe.Pointer, n uint32)

// the is the module's guest.
var the *Guest

// Run keeps the program and waits for events for ever.
func Run(p driver.Program) {
	the = newGuest(p)
	the.heap = newHeap()
	exportControl()
	select {}
}

var (
	control [abi.ControlWords]uint32
	inbox   []byte
)

//go:wasmexport durago_abi_2
func exportControl() unsafe.Pointer {
	if inbox == nil {
		exportAlloc(abi.InboxSize)
	}
	return unsafe.Pointer(&control)
}

//go:wasmexport durago_alloc
func exportAlloc(n uint32) {
	if int(n) <= len(inbox) {
		return
	}
	the.heap.makeRoom(2 * uint64(n)) // for the inbox, and for the frame
	inbox = make([]byte, n)
	control[abi.ControlInbox] = uint32(uintptr(unsafe.Pointer(unsafe.SliceData(inbox))))
	control[abi.ControlInboxSize] = n
}

//go:wasmexport durago_event
func exportEvent(kind, ctx, ev, n uint32) {
	frame := inbox[:n]
	if n > 0 {
		the.pin()
		frame = append(make([]byte, 0, n), frame...)
		shrink()
		the.unpin()
	}
	the.posting = true
	if len(the.arrived) == 0 && !the.called { // else what came before would begin meanwhile
		the.heap.tend()
	}
	the.deliver(abi.Event(kind), ctx, ev, frame)
	the.posting = false
}

//go:wasmexport durago_transaction
func exportTransaction(token uint32) (rollback uint32) {
	if the.transaction(token) {
		rollback = 1
	}
	control[abi.ControlTransaction] = token
	return rollback
}

//go:wasmexport durago_stat
func exportStat(which uint32) uint32 { return the.stat(which) }

// shrink gives a large inbox back once its frame has been read.
func shrink() {
	if len(inbox) > 16*abi.InboxSize {
		inbox = nil
		exportAlloc(abi.InboxSize)
	}
}

// port is how the module's guest reaches the runtime.
type port struct {
	heap    heap
	posting bool   // an event is being delivered
	spent   []byte // a frame's memory, to use again; nil while somebody has it
}

// current is the context that the runtime runs it for; 0 is none.
func (*port) current() uint32 { return control[abi.ControlCurrent] }

// begun tells the runtime that an event's handler begins. One that was held back comes late.
func (*port) begun(event uint32) { control[abi.ControlBegun] = max(control[abi.ControlBegun], event) }

// call performs an operation and appends the answer to dst.
func (*port) call(ctx uint32, op abi.Op, token uint32, frame, dst []byte) ([]byte, error) {
	n := hostCall(ctx, uint32(op), token, unsafe.Pointer(unsafe.SliceData(frame)), uint32(len(frame)))
	if n == 0 {
		return dst, nil
	}
	procPin() // another goroutine would have its own answer there
	if n < 0 {
		a := answer(nil, int(-n))
		procUnpin()
		return nil, readError(a)
	}
	dst = answer(dst, int(n))
	procUnpin()
	return dst, nil
}

// tell performs an operation that answers nothing.
func (*port) tell(ctx uint32, op abi.Op, token uint32, frame []byte) {
	hostCall(ctx, uint32(op), token, unsafe.Pointer(unsafe.SliceData(frame)), uint32(len(frame)))
}

// answer appends the answer of n bytes of the last operation.
func answer(dst []byte, n int) []byte {
	if n <= len(inbox) {
		return append(dst, inbox[:n]...)
	}
	dst = slices.Grow(dst, n)
	b := dst[len(dst) : len(dst)+n]
	hostTake(unsafe.Pointer(unsafe.SliceData(b)), uint32(n))
	return dst[:len(dst)+n]
}

// Frames' memory is used again, if it is neither small nor large.
const (
	leastSpent = 4 << 10
	maxSpent   = 64 << 10
)

// scratch is an empty frame, which discard takes back.
func (p *port) scratch() []byte {
	b := p.spent
	p.spent = nil
	if b == nil {
		b = make([]byte, 0, leastSpent)
	}
	return b
}

// discard takes a frame that nobody needs any more.
func (p *port) discard(b []byte) {
	if p.spent == nil && cap(b) >= leastSpent && cap(b) <= maxSpent {
		p.spent = b[:0]
	}
}
