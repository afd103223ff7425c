package guest

import "unsafe"

// The runtime keeps one pointer of labels for each goroutine, and goroutines inherit it: that is where a goroutine's
// scope lives. Code that uses runtime/pprof puts its own labels there instead, which sentinel tells apart: a label set
// of runtime/pprof begins with a pointer that is never sentinel's address.

//go:linkname getProfLabel runtime/pprof.runtime_getProfLabel
func getProfLabel() unsafe.Pointer

//go:linkname setProfLabel runtime/pprof.runtime_setProfLabel
func setProfLabel(unsafe.Pointer)

var sentinel byte

type label struct {
	mark    *byte
	scope   *scope
	section *section // the innermost critical section or transaction that the goroutine runs in
	event   uint32
}

func newLabel(s *scope, sec *section, event uint32) *label {
	return &label{&sentinel, s, sec, event}
}

func (l *label) set() { setProfLabel(unsafe.Pointer(l)) }

// running is the label of the running goroutine, or nil.
func running() *label {
	l := (*label)(getProfLabel())
	if l == nil || l.mark != &sentinel {
		return nil
	}
	return l
}
