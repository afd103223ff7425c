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
	// A log's head may follow its sync: the journal has it, and a log without frames says nothing.
	logWrite     = regexp.MustCompile(`pwrite(64|v)\(\d+<[^>]*-wal>`)
	logHead      = regexp.MustCompile(`, 32, 0(\)| <unfinished)`)
	journalWrite = regexp.MustCompile(`pwrite64\(\d+<[^>]*\.segment>, "([^"]*)"`)
	filling      = regexp.MustCompile(`^(\\0)+$`)
	synced       = regexp.MustCompile(`f(?:data)?sync\(\d+<[^>]*(-wal|\.segment)>(.*= 0)?`)
	resumed      = regexp.MustCompile(`f(?:data)?sync resumed>.*= 0`)
	answered     = regexp.MustCompile(`(write|writev|sendto|sendmsg)\(.*HTTP/1\.1 200`)
)

// early counts the answers that left before the log's writes were synced, and all that wrote. A write is on disk after
// a sync of its log that began later; or after a sync of the journal that began after the journal was written later. A log
// that is young is written to the journal alone.
func early(calls []string) (tooEarly, writing int) {
	var written, journaled, stored, answeredAt int // counts of writes to logs and the journal
	begun := map[string]int{}                      // by thread, what the sync that it waits for makes durable
	for _, c := range calls {
		thread, _, _ := strings.Cut(c, " ")
		if logWrite.MatchString(c) && !logHead.MatchString(c) {
			written++
		} else if m := journalWrite.FindStringSubmatch(c); m != nil && !filling.MatchString(m[1]) {
			written++
			journaled = written
		} else if m := synced.FindStringSubmatch(c); m != nil {
			covered := written
			if m[1] == ".segment" {
				covered = journaled
			}
			if begun[thread] = covered; m[2] != "" {
				stored = max(stored, covered)
			}
		} else if resumed.MatchString(c) {
			stored = max(stored, begun[thread])
		} else if answered.MatchString(c) && written > answeredAt {
			answeredAt = written
			writing++
			if stored < written {
				tooEarly++
			}
		}
	}
	return tooEarly, writing
}

// TestEarly: what the reader of the calls tells apart.
func TestEarly(t *testing.T) {
	const (
		frame, head = `1 pwrite64(9</s/a.sqlite-wal>, "\0\1", 4120, 32) = 4120`, `1 pwrite64(9</s/a.sqlite-wal>, "7", 32, 0) = 32`
		log         = `1 fdatasync(9</s/a.sqlite-wal>) = 0`
		record      = `2 pwrite64(8</s/journal/0001.segment>, "j\1", 5000, 512) = 5000`
		zeros       = `2 pwrite64(8</s/journal/0001.segment>, "\0\0", 5000, 512) = 5000`
		begin       = `2 fdatasync(8</s/journal/0001.segment> <unfinished ...>`
		end         = `2 <... fdatasync resumed>) = 0`
		answer      = `3 write(7<socket:[1]>, "HTTP/1.1 200 OK", 80) = 80`
	)
	for _, row := range []struct {
		name              string
		tooEarly, writing int
		calls             []string
	}{
		{"log", 0, 1, []string{frame, log, answer}},
		{"nothing written", 0, 0, []string{answer}},
		{"no sync", 1, 1, []string{frame, answer}},
		{"journal", 0, 1, []string{head, frame, record, begin, end, head, answer}},
		{"answer during the sync", 1, 1, []string{frame, record, begin, answer, end}},
		{"journal not written", 1, 1, []string{frame, begin, end, answer}},
		{"journal filled only", 1, 1, []string{frame, zeros, begin, end, answer}},
		{"journal synced before", 1, 1, []string{frame, begin, record, end, answer}},
		{"journal alone", 0, 1, []string{record, begin, end, answer}},
		{"journal alone, answer during the sync", 1, 1, []string{record, begin, answer, end}},
		{"a later frame", 1, 1, []string{frame, record, begin, frame, end, answer}},
	} {
		tooEarly, writing := early(row.calls)
		require.Equal(t, row.tooEarly, tooEarly, row.name)
		require.Equal(t, row.writing, writing, row.name)
	}
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
