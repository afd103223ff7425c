package guest

import (
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
	inbox = make([]byte, n)
	control[abi.ControlInbox] = uint32(uintptr(unsafe.Pointer(unsafe.SliceData(inbox))))
	control[abi.ControlInboxSize] = n
}

//go:wasmexport durago_event
func exportEvent(kind, ctx, ev, n uint32) {
	the.deliver(abi.Event(kind), ctx, ev, inbox[:n])
	shrink()
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
type port struct{}

// current is the context that the runtime runs it for; 0 is none.
func (port) current() uint32 { return control[abi.ControlCurrent] }

// begun tells the runtime that an event's handler begins. One that was held back comes late.
func (port) begun(event uint32) { control[abi.ControlBegun] = max(control[abi.ControlBegun], event) }

// call performs an operation. The answer is in the inbox: it is valid until the goroutine calls or waits again.
func (port) call(ctx uint32, op abi.Op, token uint32, frame []byte) ([]byte, error) {
	n := hostCall(ctx, uint32(op), token, unsafe.Pointer(unsafe.SliceData(frame)), uint32(len(frame)))
	if n < 0 {
		return nil, readError(answer(int(-n)))
	}
	return answer(int(n)), nil
}

// tell performs an operation that answers nothing.
func (port) tell(ctx uint32, op abi.Op, token uint32, frame []byte) {
	hostCall(ctx, uint32(op), token, unsafe.Pointer(unsafe.SliceData(frame)), uint32(len(frame)))
}

func answer(n int) []byte {
	if n <= len(inbox) {
		return inbox[:n:n]
	}
	b := make([]byte, n)
	hostTake(unsafe.Pointer(unsafe.SliceData(b)), uint32(n))
	return b
}

// small is reused for small frames.
var small = make([]byte, 0, 4096)

// scratch is an empty frame; a caller fills it and calls without waiting in between.
func (port) scratch() []byte { return small[:0] }

// clip keeps what a frame in scratch has grown to.
func (port) clip(b []byte) []byte {
	if cap(b) <= 64<<10 {
		small = b[:0]
	}
	return b
}
