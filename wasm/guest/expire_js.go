package guest

import (
	"context"
	"slices"
	"strings"

	"durago.example/objects/driver"
	"durago.example/wasm/abi"
)

// waits names the operations that an event may wait for, in an author's words.
var waits = map[abi.Op]string{
	abi.OpBodyRead: "a request or response body", abi.OpBodyWrite: "the reader of its response",
	abi.OpGet: "storage", abi.OpPut: "storage", abi.OpDelete: "storage", abi.OpList: "storage", abi.OpSync: "storage",
	abi.OpDeleteAll: "storage", abi.OpBookmark: "storage",
	abi.OpAlarmGet: "its alarm", abi.OpAlarmSet: "its alarm", abi.OpAlarmDelete: "its alarm",
	abi.OpTransaction: "a transaction", abi.OpBlock: "BlockConcurrencyWhile",
	abi.OpStubCall: "a method of another object", abi.OpStubFetch: "another object", abi.OpForward: "the object that it forwarded to",
	abi.OpFetch: "the network",
}

// expire fails an event that has taken too long, and cancels its context.
func (e *event) expire() {
	var names []string
	for _, p := range e.scope.tokens {
		if p.event == e.label.event && !slices.Contains(names, waits[p.op]) {
			names = append(names, waits[p.op])
		}
	}
	slices.Sort(names)
	what := strings.Join(names, " and ")
	if what == "" {
		what = "a Go channel, lock or timer"
	}
	_, _ = call(e.scope.id, abi.OpFail, e.label.event, appendError(nil,
		&driver.Error{Name: "Error", Message: "the handler did not finish in time: it waits for " + what}, ""))
	e.err = context.DeadlineExceeded
	if e.done != nil {
		close(e.done)
	}
}
