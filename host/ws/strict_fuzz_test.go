package ws

import (
	"bytes"
	"io"
	"net"
	"testing"
)

// arriving is a connection on which data arrives, so many bytes at a time.
type arriving struct {
	net.Conn
	data  []byte
	sizes []byte
}

func (a *arriving) Read(b []byte) (int, error) {
	if len(a.data) == 0 {
		return 0, io.EOF
	}
	n := len(a.data)
	if len(a.sizes) > 0 {
		n, a.sizes = int(a.sizes[0])+1, a.sizes[1:]
	}
	n = copy(b, a.data[:min(n, len(a.data))])
	a.data = a.data[n:]
	return n, nil
}

// maxHead is the longest head of a frame.
const maxHead = 14

// FuzzStrict: what is read is what has arrived, up to the first frame that is wrong, however it arrives. Of that frame's head
// a part may be read too.
func FuzzStrict(f *testing.F) {
	f.Add([]byte("\x81\x82\x00\x00\x00\x00hi\x88\x81\x00\x00\x00\x00x"), []byte{0, 1, 2, 3})
	f.Add([]byte("\x81\xfe\x00\x7e\x00\x00\x00\x00"+string(make([]byte, 126))+"\x80\xff\x80"), []byte{5, 200})
	f.Add([]byte("\xc9\x80\x00\x00\x00\x00"), []byte{0})
	f.Fuzz(func(t *testing.T, data, sizes []byte) {
		whole, wrong := io.ReadAll(&strict{Conn: &arriving{data: data}})
		parts, wrongly := io.ReadAll(&strict{Conn: &arriving{data: data, sizes: sizes}})
		if (wrong == nil) != (wrongly == nil) || wrong != nil && wrong.Error() != wrongly.Error() {
			t.Fatalf("whole: %v, in parts: %v", wrong, wrongly)
		}
		if !bytes.HasPrefix(data, parts) || !bytes.HasPrefix(parts, whole) || len(parts)-len(whole) >= maxHead {
			t.Fatalf("%d bytes read whole, %d in parts, of %d", len(whole), len(parts), len(data))
		}
		if wrong == nil && len(whole) != len(data) {
			t.Fatalf("%d of %d bytes read", len(whole), len(data))
		}
	})
}
