package guest

import (
	"context"

	"durago.example/objects/driver"
	"durago.example/wasm/abi"
)

// waitsFor is what an operation waits for, in an author's words.
func waitsFor(op abi.Op) string {
	switch op {
	case abi.OpBodyRead:
		return "a request or response body"
	case abi.OpBodyWrite:
		return "the reader of its response"
	case abi.OpTransaction:
		return "a transaction"
	case abi.OpBlock:
		return "BlockConcurrencyWhile"
	case abi.OpStubCall:
		return "a method of another object, entrypoint, target or callback"
	case abi.OpStubFetch:
		return "another object"
	case abi.OpForward:
		return "the object that it forwarded to"
	case abi.OpFetch:
		return "the network"
	}
	return "storage"
}

// expire fails an event that has taken too long, and cancels its context.
func (e *event) expire() {
	what := "a Go channel, lock or timer"
	for _, p := range e.scope.tokens {
		if p.event == e.label.event {
			what = waitsFor(p.op)
			break
		}
	}
	text := "the handler did not finish in time"
	if e.kind == abi.EventAlarm {
		text = "Alarm exceeded its allowed execution time"
	}
	_, _ = e.scope.g.call(e.scope.id, abi.OpFail, e.label.event, appendError(nil,
		&driver.Error{Name: "Error", Message: text + ": it waits for " + what}, ""), nil)
	e.end(context.DeadlineExceeded)
}
