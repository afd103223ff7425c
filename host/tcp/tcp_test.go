package tcp

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// pair is a connection, and its other side as the net package has it.
func pair(t testing.TB) (*Conn, *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	other, err := net.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	t.Cleanup(func() { _ = other.Close() })
	accepted, err := l.Accept()
	require.NoError(t, err)
	c, ok := Of(accepted).(*Conn)
	require.True(t, ok)
	t.Cleanup(func() { _ = c.Close() })
	return c, other.(*net.TCPConn)
}

// TestConn carries more than the buffers of a socket in pieces of any size, both ways at once.
func TestConn(t *testing.T) {
	t.Parallel()
	c, other := pair(t)
	r := rand.NewChaCha8([32]byte{1})
	up, down := make([]byte, 20<<20), make([]byte, 20<<20)
	_, _ = r.Read(up)
	_, _ = r.Read(down)
	var wg sync.WaitGroup
	send := func(w io.Writer, end func() error, b []byte, seed uint64) {
		defer wg.Done()
		sizes := rand.New(rand.NewPCG(seed, 0))
		for len(b) > 0 {
			n := min(len(b), 1+sizes.IntN(1<<sizes.IntN(21)))
			got, err := w.Write(b[:n])
			if got != n || err != nil {
				t.Error(got, n, err)
				return
			}
			b = b[n:]
		}
		if err := end(); err != nil {
			t.Error(err)
		}
	}
	get := func(r io.Reader, want []byte) {
		defer wg.Done()
		got, err := io.ReadAll(r)
		if err != nil || !bytes.Equal(got, want) {
			t.Error(len(got), err)
		}
	}
	wg.Add(4)
	go send(c, c.CloseWrite, down, 1)
	go send(other, other.CloseWrite, up, 2)
	go get(c, up)
	go get(other, down)
	wg.Wait()

	n, err := c.Read(nil)
	require.Zero(t, n)
	require.NoError(t, err)
	n, err = c.Read(make([]byte, 1))
	require.Zero(t, n)
	require.Equal(t, io.EOF, err)
}

// TestConn_errors are those of the net package.
func TestConn_errors(t *testing.T) {
	t.Parallel()
	fill := func(c net.Conn) (err error) {
		for n := 0; err == nil && n < 100; n++ {
			_, err = c.Write(make([]byte, 1<<20))
		}
		return err
	}

	c, _ := pair(t)
	require.NoError(t, c.SetReadDeadline(time.Now().Add(20*time.Millisecond)))
	_, err := c.Read(make([]byte, 1))
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	var timeout net.Error
	require.True(t, errors.As(err, &timeout) && timeout.Timeout())

	require.NoError(t, c.SetWriteDeadline(time.Now().Add(20*time.Millisecond)))
	require.ErrorIs(t, fill(c), os.ErrDeadlineExceeded)

	ended := make(chan error, 1)
	require.NoError(t, c.SetReadDeadline(time.Time{}))
	go func() {
		_, err := c.Read(make([]byte, 1))
		ended <- err
	}()
	time.Sleep(10 * time.Millisecond)
	require.NoError(t, c.Close())
	require.ErrorIs(t, <-ended, net.ErrClosed)
	_, err = c.Write([]byte("x"))
	require.ErrorIs(t, err, net.ErrClosed)

	c, other := pair(t)
	require.NoError(t, other.SetLinger(0))
	require.NoError(t, other.Close())
	_, err = c.Read(make([]byte, 1))
	require.ErrorIs(t, err, syscall.ECONNRESET)
	require.ErrorIs(t, fill(c), syscall.EPIPE)
}

// TestConn_OnWait: who writes is told that it has to wait, and only then.
func TestConn_OnWait(t *testing.T) {
	t.Parallel()
	c, other := pair(t)
	waits := 0
	if !c.OnWait(func() { waits++ }) {
		t.Skip("the race detector sees the calls of package syscall, which do not tell")
	}
	_, err := c.Write(make([]byte, 100))
	require.NoError(t, err)
	require.Zero(t, waits)
	require.NoError(t, c.SetWriteDeadline(time.Now().Add(20*time.Millisecond)))
	for err == nil {
		_, err = c.Write(make([]byte, 1<<20))
	}
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	require.Positive(t, waits)
	require.NoError(t, other.Close())
}

// TestConn_deadline: what is hardly later is not set, whatever else is.
func TestConn_deadline(t *testing.T) {
	t.Parallel()
	c, _ := pair(t)
	now := time.Now()
	in := func(d time.Duration) time.Time { return now.Add(d) }
	set := func(d time.Duration) time.Duration {
		require.NoError(t, c.SetWriteDeadline(in(d)))
		return time.Duration(c.until.Load() - now.UnixNano()).Round(time.Second)
	}
	require.Equal(t, 160*time.Second, set(160*time.Second))
	require.Equal(t, 160*time.Second, set(169*time.Second))
	require.Equal(t, 172*time.Second, set(172*time.Second))
	require.Equal(t, 171*time.Second, set(171*time.Second), "what is earlier is set")
	require.Equal(t, -time.Second, set(-time.Second))
	require.Equal(t, 30*time.Second, set(30*time.Second), "after one that has passed")
	require.NoError(t, c.SetWriteDeadline(time.Time{}))
	require.Zero(t, c.until.Load())
	require.Equal(t, 30*time.Second, set(30*time.Second))
	require.NoError(t, c.SetDeadline(in(40*time.Second)))
	require.Equal(t, 40*time.Second, set(41*time.Second))

	_ = c.SetWriteDeadline(time.Now().Add(50 * time.Millisecond)) // no timer is lost with one that was not set
	_ = c.SetWriteDeadline(time.Now().Add(51 * time.Millisecond))
	started := time.Now()
	var err error
	for err == nil {
		_, err = c.Write(make([]byte, 1<<20))
	}
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	require.Less(t, time.Since(started), 5*time.Second)
}

func TestOf(t *testing.T) {
	t.Parallel()
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	require.Same(t, a, Of(a), "no TCP")
}

func BenchmarkConn(b *testing.B) {
	c, other := pair(b)
	p, q := make([]byte, 64), make([]byte, 64)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Write(p); err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(other, q); err != nil {
			b.Fatal(err)
		}
		if _, err := other.Write(q); err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(c, p); err != nil {
			b.Fatal(err)
		}
	}
}
