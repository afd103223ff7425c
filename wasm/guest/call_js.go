package guest

import (
	"unsafe"

	"durago.example/wasm/abi"
)

//go:wasmimport durago call
//go:noescape
func hostCall(ctx, op, token uint32, p unsafe.Pointer, n uint32) int32

//go:wasmimport durago take
//go:noescape
func hostTake(p unsafe.Pointer, n uint32)

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

// shrink gives a large inbox back once its frame has been read.
func shrink() {
	if len(inbox) > 16*abi.InboxSize {
		inbox = nil
		exportAlloc(abi.InboxSize)
	}
}

func current() uint32 { return control[abi.ControlCurrent] }

// call performs an operation. The answer is in the inbox: it is valid until the goroutine calls or waits again.
func call(ctx uint32, op abi.Op, token uint32, frame []byte) ([]byte, error) {
	n := hostCall(ctx, uint32(op), token, unsafe.Pointer(unsafe.SliceData(frame)), uint32(len(frame)))
	if n < 0 {
		return nil, readError(answer(int(-n)))
	}
	return answer(int(n)), nil
}

func answer(n int) []byte {
	if n <= len(inbox) {
		return inbox[:n:n]
	}
	b := make([]byte, n)
	hostTake(unsafe.Pointer(unsafe.SliceData(b)), uint32(n))
	return b
}

// scratch is reused for small frames; a caller fills it and calls without waiting in between.
var scratch = make([]byte, 0, 4096)

func clip(b []byte) []byte {
	if cap(b) <= 64<<10 {
		scratch = b[:0]
	}
	return b
}
