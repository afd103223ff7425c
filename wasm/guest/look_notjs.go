//go:build !js

package guest

import (
	"bytes"
	"runtime"
	"slices"
	"strconv"
	"sync"
)

// What the runtime says of goroutines: "goroutine 7 [chan receive, 2 minutes]:", their frames, and at last
// "created by main.main in goroutine 1".

// goroutine is the number of the running goroutine.
func goroutine() uint64 {
	var space [64]byte
	id, _ := number(bytes.TrimPrefix(space[:runtime.Stack(space[:], false)], prefix))
	return id
}

var prefix = []byte("goroutine ")

// number reads the number that b begins with.
func number(b []byte) (uint64, []byte) {
	n := 0
	for n < len(b) && b[n] >= '0' && b[n] <= '9' {
		n++
	}
	id, _ := strconv.ParseUint(string(b[:n]), 10, 64)
	return id, b[n:]
}

// status is one goroutine.
type status struct {
	parent uint64 // that started it; 0 is unknown
	waits  bool   // for another goroutine, for time, or for the network
	here   bool   // it is the adapter that waits, for a moment
}

// look looks at goroutines.
type look struct {
	mu  sync.Mutex // guards buf
	buf []byte
	// the holder that waited in the last look, and its moves then
	id, moves uint64
}

// waits tells whether a goroutine that has made so many moves waits, or is no more, and did in the last look too.
func (l *look) waits(id, moves uint64) bool {
	s, there := l.all(id)[id]
	again := l.id == id && l.moves == moves
	l.id, l.moves = 0, 0
	if there && (!s.waits || s.here) {
		return false
	}
	l.id, l.moves = id, moves
	return again
}

// all is all goroutines. Only of one, or none, it says whether it is here.
func (l *look) all(one uint64) map[uint64]status {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.buf == nil {
		l.buf = make([]byte, 64<<10)
	}
	n := runtime.Stack(l.buf, true)
	for n == len(l.buf) {
		l.buf = make([]byte, 2*n)
		n = runtime.Stack(l.buf, true)
	}
	found := map[uint64]status{}
	for text := range bytes.SplitSeq(l.buf[:n], []byte("\n\n")) {
		id, rest := number(bytes.TrimPrefix(text, prefix))
		state, ok := bytes.CutPrefix(rest, []byte(" ["))
		if id == 0 || !ok {
			continue
		}
		s := status{waits: slices.ContainsFunc(waiting, func(w string) bool { return bytes.HasPrefix(state, []byte(w)) })}
		s.here = id == one && adapter(text)
		if i := bytes.LastIndex(text, []byte(" in goroutine ")); i >= 0 {
			s.parent, _ = number(text[i+len(" in goroutine "):])
		}
		found[id] = s
	}
	return found
}

// waiting are the beginnings of the states in which a goroutine needs another, time, or the network to go on. A coroutine is
// what iter.Pull has run while its caller waits.
var waiting = []string{"chan ", "coroutine", "select", "sleep", "sync.", "IO wait", "synctest."}

// adapter tells whether it is this package that waits: its innermost frame that is not of what waiting is made of.
func adapter(text []byte) bool {
	for line := range bytes.Lines(text) {
		switch {
		case bytes.HasPrefix(line, prefix), bytes.HasPrefix(line, []byte("\t")):
		case bytes.HasPrefix(line, []byte("runtime.")), bytes.HasPrefix(line, []byte("sync.")), bytes.HasPrefix(line, []byte("internal/")):
		default:
			return bytes.HasPrefix(line, []byte("durago.example/wasm/guest."))
		}
	}
	return false
}

// members are the goroutines of a guest that it knows: those that have had a turn, and those that they have started. The
// runtime's numbers are not used again; those of goroutines that have ended go with the next look.
type members map[uint64]struct{}

// still takes in what the members have started, and tells whether all of them wait.
func (m members) still(all map[uint64]status) bool {
	for grown := true; grown; {
		grown = false
		for id, s := range all {
			_, ours := m[s.parent]
			if _, known := m[id]; ours && !known {
				m[id] = struct{}{}
				grown = true
			}
		}
	}
	still := true
	for id := range m {
		s, there := all[id]
		if !there {
			delete(m, id)
		}
		still = still && (!there || s.waits)
	}
	return still
}
