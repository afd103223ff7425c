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

// trace records the system calls of a process until the returned function is called, which gives them in order, and the
// descriptors whose writes are durable when they return.
func trace(t *testing.T, pid int) func() (calls []string, direct map[string]bool) {
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
	return func() (calls []string, direct map[string]bool) {
		direct = dsync(t, pid)
		require.NoError(t, cmd.Process.Signal(syscall.SIGINT))
		_ = cmd.Wait()
		b, err := os.ReadFile(file)
		require.NoError(t, err, said.String())
		return strings.Split(string(b), "\n"), direct
	}
}

// dsync are the descriptors of a process that have O_DSYNC.
func dsync(t *testing.T, pid int) map[string]bool {
	dir := "/proc/" + strconv.Itoa(pid) + "/fdinfo"
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	all := map[string]bool{}
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			continue // closed meanwhile
		}
		_, rest, _ := strings.Cut(string(b), "flags:")
		flags, _, _ := strings.Cut(strings.TrimSpace(rest), "\n")
		n, err := strconv.ParseInt(flags, 8, 64)
		require.NoError(t, err, string(b))
		if n&syscall.O_DSYNC != 0 {
			all[e.Name()] = true
		}
	}
	return all
}

var (
	// A log's head may follow its sync: the journal has it, and a log without frames says nothing.
	logWrite     = regexp.MustCompile(`pwrite(64|v)\(\d+<[^>]*-wal>`)
	logHead      = regexp.MustCompile(`, 32, 0(\)| <unfinished)`)
	journalWrite = regexp.MustCompile(`pwrite64\((\d+)<[^>]*\.segment>, "([^"]*)"(?:.* = (\d+))?`)
	filling      = regexp.MustCompile(`^(\\0)+$`)
	synced       = regexp.MustCompile(`f(?:data)?sync\(\d+<[^>]*(-wal|\.segment)>(.*= 0)?`)
	resumed      = regexp.MustCompile(`(?:f(?:data)?sync|pwrite64) resumed>.*= \d+`)
	answered     = regexp.MustCompile(`(write|writev|sendto|sendmsg)\(.*HTTP/1\.1 200`)
)

// early counts the answers that left before the log's writes were synced, and all that wrote. A write is on disk after
// a sync of its log that began later; or after a sync of the journal that began after the journal was written later, or
// after such a write if it is a direct one. What a log's file does not have yet is written to the journal alone.
func early(calls []string, direct map[string]bool) (tooEarly, writing int) {
	var written, journaled, stored, answeredAt int // counts of writes to logs and the journal
	begun := map[string]int{}                      // by thread, what the sync that it waits for makes durable
	for _, c := range calls {
		thread, _, _ := strings.Cut(c, " ")
		if logWrite.MatchString(c) && !logHead.MatchString(c) {
			written++
		} else if m := journalWrite.FindStringSubmatch(c); m != nil && !filling.MatchString(m[2]) {
			written++
			switch {
			case !direct[m[1]]:
				journaled = written
			case m[3] != "":
				stored = max(stored, written)
			default:
				begun[thread] = written
			}
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
		whole       = `2 pwrite64(6</s/journal/0001.segment>, "j\1", 4096, 4096) = 4096`
		half        = `2 pwrite64(6</s/journal/0001.segment>, "j\1", 4096, 4096 <unfinished ...>`
		rest        = `2 <... pwrite64 resumed>) = 4096`
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
		{"direct", 0, 1, []string{frame, whole, answer}},
		{"direct, in two", 0, 1, []string{half, rest, answer}},
		{"answer during the direct write", 1, 1, []string{half, answer, rest}},
		{"direct before", 1, 1, []string{whole, frame, answer}},
		{"a later frame", 1, 1, []string{frame, record, begin, frame, end, answer}},
	} {
		tooEarly, writing := early(row.calls, map[string]bool{"6": true})
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
