package hosttest_test

import (
	"fmt"
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

// maxSocket is what a hibernated socket may cost on the heap and in stacks: see host/RATIONALE.md for what it does.
const maxSocket = 12 << 10

// TestDensity_sockets: what a hibernated socket weighs, and that each wakes its object. The clients are bare connections of another
// process, so that this one is the host alone: with 10,000 of them it is to stay below 400 MB, guests and all. What other tests
// have left of memory would count too, so that this is looked at if DURAGO_DENSITY says how many there are, and the test runs alone.
func TestDensity_sockets(t *testing.T) {
	var l unix.Rlimit
	require.NoError(t, unix.Getrlimit(unix.RLIMIT_NOFILE, &l))
	n := powerloss.Number(t, "DURAGO_DENSITY", 10_000)
	if free := int(min(l.Max, 1<<20)) - 300; free < n {
		t.Logf("%d sockets: the process may open %d files", free, l.Max)
		n = free
	}
	require.Positive(t, n)
	h := scenario(t, dense, func(o *hosttest.Options) { o.Server.Connections = n + 100 })
	before := weigh(t, h)
	clients := startClients(t, strings.TrimPrefix(h.URL, "http://"), n)
	clients.ask(t, "open")
	awake := weigh(t, h)
	for i := range rooms {
		require.NoError(t, h.Object("HOME", fmt.Sprint("room", i)).Hibernate())
	}
	asleep := weigh(t, h)
	open := 0
	for o, err := range h.Objects(t.Context(), "") {
		require.NoError(t, err)
		require.False(t, o.Memory, o.ID)
		open += o.Sockets
	}
	require.Equal(t, n, open)
	per := func(b, a int64) int64 { return (a - b) / int64(n) }
	t.Logf("%d sockets of %d objects: bytes of heap and stacks each %d awake, %d hibernated, resident %d; guests' heaps %d, %d and %d KiB; linear memory %d MiB, process %d MiB before, %d awake, %d hibernated",
		n, rooms, per(before.heap, awake.heap), per(before.heap, asleep.heap), per(before.resident, asleep.resident),
		before.guest>>10, awake.guest>>10, asleep.guest>>10, asleep.linear>>20, before.resident>>20, awake.resident>>20, asleep.resident>>20)
	require.Less(t, per(before.heap, asleep.heap), int64(maxSocket))
	if os.Getenv("DURAGO_DENSITY") != "" && n <= 10_000 {
		require.Less(t, asleep.resident, int64(400e6))
	}
	clients.ask(t, "say")
}
