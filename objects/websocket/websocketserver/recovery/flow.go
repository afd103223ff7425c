package recovery

// Flow bounds what is under way to a listener. The room asks it, after half of what may be, to say when it has passed all
// that on; the answer makes room for what was sent before the question. The zero value has nothing under way.
type Flow struct {
	frames, bytes           int64 // under way
	newerFrames, newerBytes int64 // of that, since the question
	asked                   bool  // and not answered
}

// FlowBytes bounds the bytes that are under way, beside one message more.
const FlowBytes = 256 << 10

// Open tells whether something may be sent, of size messages at most. If not, an answer is outstanding.
func (f *Flow) Open(size int64) bool { return f.frames < size && f.bytes < FlowBytes }

// Send counts a message, and tells whether to ask now.
func (f *Flow) Send(bytes int, size int64) (ask bool) {
	f.frames, f.newerFrames = f.frames+1, f.newerFrames+1
	f.bytes, f.newerBytes = f.bytes+int64(bytes), f.newerBytes+int64(bytes)
	return f.ask(size)
}

// Answer is told that everything before the question has been passed on, and tells whether to ask again.
func (f *Flow) Answer(size int64) (ask bool) {
	if f.asked {
		f.frames, f.bytes, f.asked = f.newerFrames, f.newerBytes, false
	}
	return f.ask(size)
}

func (f *Flow) ask(size int64) bool {
	if f.asked || 2*f.frames < size && 2*f.bytes < FlowBytes {
		return false
	}
	f.asked, f.newerFrames, f.newerBytes = true, 0, 0
	return true
}
