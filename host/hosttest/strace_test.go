package hosttest_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"durago.example/host/hosttest"
)

// trace records the system calls of a process until the returned function is called, which gives them in order.
func trace(t *testing.T, pid int) func() []string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "strace")
	cmd := exec.Command("strace", "-f", "-y", "-s", "64", "-o", file, "-p", strconv.Itoa(pid),
		"-e", "trace=fsync,fdatasync,pwrite64,pwritev,write,writev,sendto,sendmsg")
	var said strings.Builder
	cmd.Stderr = &said
	require.NoError(t, cmd.Start())
	require.Eventually(t, func() bool {
		b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
		return err == nil && !strings.Contains(string(b), "TracerPid:\t0\n")
	}, 10*time.Second, 10*time.Millisecond)
	return func() []string {
		require.NoError(t, cmd.Process.Signal(syscall.SIGINT))
		_ = cmd.Wait()
		b, err := os.ReadFile(file)
		require.NoError(t, err, said.String())
		return strings.Split(string(b), "\n")
	}
}

var (
	logWrite = regexp.MustCompile(`pwrite(64|v)\(\d+<[^>]*-wal>`)
	logSync  = regexp.MustCompile(`f(data)?sync\(\d+<[^>]*-wal>\)\s*= 0|f(data)?sync resumed>.*= 0`)
	answered = regexp.MustCompile(`(write|writev|sendto|sendmsg)\(.*HTTP/1\.1 200`)
)

// early counts the answers that left before the log's writes were synced, and all that wrote.
func early(calls []string) (tooEarly, writing int) {
	dirty, wrote := false, false
	for _, c := range calls {
		switch {
		case logWrite.MatchString(c):
			dirty, wrote = true, true
		case logSync.MatchString(c):
			dirty = false
		case answered.MatchString(c) && wrote:
			writing++
			if dirty {
				tooEarly++
			}
			wrote = false
		}
	}
	return tooEarly, writing
}

// TestOutput_synced holds, by the system calls that both runtimes make, that an answer leaves after the write that it
// tells of is on disk: one given at once, one given after a wait, one that the front gives for an object.
func TestOutput_synced(t *testing.T) {
	if _, err := exec.LookPath("strace"); err != nil || hosttest.WorkerdPath() == "" {
		t.Skip("needs strace and workerd: run make conformance")
	}
	paths := []string{"/count/a", "/sleep/a?ms=5", "/fsleep/a?ms=5", "/block/a?ms=2", "/transaction/a?async", "/mix/a?seed=1&steps=3&objects=1"}
	run := func(t *testing.T, o hosttest.Options) (tooEarly, writing int) {
		o.Config, o.RealTime = "../../testdata/guests/scenario/wrangler.toml", true
		h := hosttest.Start(t, o)
		h.Fetch("POST", "/count/a", "") // the object and its files exist
		stop := trace(t, h.PID())
		for range 5 {
			for _, path := range paths {
				status, answer := h.Fetch("POST", path, "")
				require.Equal(t, 200, status, answer)
			}
		}
		return early(stop())
	}
	for _, row := range []struct {
		name string
		o    hosttest.Options
	}{{"host", hosttest.Options{}}, {"workerd", hosttest.Options{Workerd: true}}} {
		t.Run(row.name, func(t *testing.T) {
			tooEarly, writing := run(t, row.o)
			require.Zero(t, tooEarly)
			require.GreaterOrEqual(t, writing, 5*len(paths))
			t.Logf("%d answers, each after its sync", writing)
		})
	}
	t.Run("a host that does not sync is found out", func(t *testing.T) {
		tooEarly, _ := run(t, hosttest.Options{NoSync: true})
		require.Positive(t, tooEarly)
	})
}
