package guest

import "unsafe"

// The runtime keeps one pointer of labels for each goroutine, and goroutines inherit it: that is where a goroutine's
// scope lives. Code that uses runtime/pprof puts its own labels there instead, which mark tells apart.
//
// Natively a profiler reads what is there: a label begins as a label set of runtime/pprof does, a slice of key and value,
// and this one is of mark alone.

//go:linkname getProfLabel runtime/pprof.runtime_getProfLabel
func getProfLabel() unsafe.Pointer

//go:linkname setProfLabel runtime/pprof.runtime_setProfLabel
func setProfLabel(unsafe.Pointer)

// pair is a label of runtime/pprof.
type pair struct{ key, value string }

// mark is what a profile says of a guest's goroutines.
var mark = []pair{{"durago", "guest"}}

type label struct {
	pairs   []pair // mark
	scope   *scope
	section *section // the innermost critical section or transaction that the goroutine runs in
	event   uint32
}

func newLabel(s *scope, sec *section, event uint32) *label {
	return &label{mark, s, sec, event}
}

func (l *label) set() { setProfLabel(unsafe.Pointer(l)) }

// running is the label of the running goroutine, or nil.
func running() *label {
	l := (*label)(getProfLabel())
	if l == nil || len(l.pairs) != 1 || &l.pairs[0] != &mark[0] {
		return nil
	}
	return l
}
