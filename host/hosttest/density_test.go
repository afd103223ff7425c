package hosttest_test

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"durago.example/host/hosttest"
	"durago.example/host/storage/powerloss"
	"durago.example/wasm/abi"
)

// weight is what a worker weighs, in bytes.
type weight struct{ heap, guest, linear, resident int64 }

// weigh collects garbage first, in the guests too.
func weigh(t *testing.T, h *hosttest.Host) (w weight) {
	t.Helper()
	for _, g := range h.Guests() {
		done := make(chan struct{})
		require.NoError(t, g.Do(func() {
			w.guest += int64(g.Present().Stat(abi.StatHeap))
			w.linear += int64(g.Present().Memory())
			close(done)
		}))
		<-done
	}
	runtime.GC()
	debug.FreeOSMemory()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	w.heap = int64(m.HeapAlloc + m.StackInuse)
	b, err := os.ReadFile("/proc/self/statm")
	require.NoError(t, err)
	var size, pages int64
	_, err = fmt.Sscan(string(b), &size, &pages)
	require.NoError(t, err)
	w.resident = pages * int64(os.Getpagesize())
	return w
}

func dense(o *hosttest.Options) { o.RealTime, o.Open, o.NoSync = true, 50, true }

// together does something n times, sixteen at a time.
func together(t *testing.T, n int, f func(i int) error) {
	t.Helper()
	var wg sync.WaitGroup
	for k := range 16 {
		wg.Go(func() {
			for i := k; i < n; i += 16 {
				if err := f(i); err != nil {
					t.Errorf("%d: %v", i, err)
					return
				}
			}
		})
	}
	wg.Wait()
	require.False(t, t.Failed())
}

// TestDensity_objects: what an idle object weighs that stays in memory, in the host and in the guest together. Databases are
// apart: TestEngine_many has those. DURAGO_DENSITY asks for more objects than 1,000.
func TestDensity_objects(t *testing.T) {
	n := powerloss.Number(t, "DURAGO_DENSITY", 1000)
	h := scenario(t, dense)
	touch := func(i int) error {
		resp, err := http.Get(fmt.Sprintf("%s/touch/o%d", h.URL, i))
		if err != nil {
			return err
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("%d", resp.StatusCode)
		}
		return nil
	}
	together(t, 200, func(i int) error { return touch(-1 - i) })
	before := weigh(t, h)
	together(t, n, touch)
	h.Settle()
	after := weigh(t, h)
	host, guest := (after.heap-before.heap)/int64(n), (after.guest-before.guest)/int64(n)
	t.Logf("%d objects: %d bytes of each in the host and %d in the guest; linear memory %d MiB, process %d MiB", n, host, guest, after.linear>>20, after.resident>>20)
	require.Less(t, host+guest, int64(30<<10))
	require.Greater(t, host+guest, int64(500), "they are in memory")
}

// TestDensity_sockets: what a hibernated socket weighs. The clients are bare connections of this process. DURAGO_DENSITY asks
// for more sockets than 500; with 10,000 the process, its clients in it, is to stay below 400 MB.
func TestDensity_sockets(t *testing.T) {
	n := powerloss.Number(t, "DURAGO_DENSITY", 500)
	var l unix.Rlimit
	require.NoError(t, unix.Getrlimit(unix.RLIMIT_NOFILE, &l))
	if l.Max < uint64(2*n+300) {
		t.Skipf("the process may open %d files", l.Max)
	}
	h := scenario(t, dense, func(o *hosttest.Options) { o.Server.Connections = n + 100 })
	const rooms = 100
	before := weigh(t, h)
	conns := make([]net.Conn, n)
	t.Cleanup(func() {
		for _, c := range conns {
			if c != nil {
				_ = c.Close()
			}
		}
	})
	together(t, n, func(i int) (err error) {
		if conns[i], err = net.Dial("tcp", strings.TrimPrefix(h.URL, "http://")); err != nil {
			return err
		}
		if _, err := fmt.Fprintf(conns[i], "GET /ws/room%d HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n", i%rooms); err != nil {
			return err
		}
		resp, err := http.ReadResponse(bufio.NewReaderSize(conns[i], 512), nil)
		if err == nil && resp.StatusCode != http.StatusSwitchingProtocols {
			err = fmt.Errorf("%d", resp.StatusCode)
		}
		return err
	})
	awake := weigh(t, h)
	for i := range rooms {
		require.NoError(t, h.Object("HOME", fmt.Sprint("room", i)).Evict())
	}
	asleep := weigh(t, h)
	host := (asleep.heap - before.heap) / int64(n)
	t.Logf("%d sockets of %d objects: %d bytes of heap and stacks each awake, %d hibernated; guests' heaps %d, %d and %d KiB; linear memory %d MiB, process %d MiB",
		n, rooms, (awake.heap-before.heap)/int64(n), host, before.guest>>10, awake.guest>>10, asleep.guest>>10, asleep.linear>>20, asleep.resident>>20)
	require.Less(t, host, int64(40<<10))
	if os.Getenv("DURAGO_DENSITY") != "" && n <= 10_000 {
		require.Less(t, asleep.resident, int64(400e6))
	}
	c := h.Dial("/ws/room0")
	require.Contains(t, say(t, c, "hi"), "hi seen=1", "it wakes")
}
