package main_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"durago.example/testdata/bench/loadgen"
)

// TestDriver runs the command as a user does, with runs too short to mean anything.
func TestDriver(t *testing.T) {
	workerd := os.Getenv("DURAGO_WORKERD")
	if workerd == "" {
		t.Skip("DURAGO_WORKERD is not set: it names the workerd executable, which `make .tools/workerd` gets")
	}
	dir := t.TempDir()
	exe := filepath.Join(dir, "bench")
	out, err := exec.Command("go", "build", "-o", exe, ".").CombinedOutput()
	require.NoError(t, err, "%s", out)
	run := func(args ...string) (stdout, stderr string, err error) {
		var o, e bytes.Buffer
		cmd := exec.Command(exe, append([]string{"-rounds", "1", "-d", "100ms", "-warm", "10ms", "-create", "20", "-keys", "2000"}, args...)...)
		cmd.Stdout, cmd.Stderr = &o, &e
		err = cmd.Run()
		return o.String(), e.String(), err
	}

	t.Run("prints a table and leaves nothing behind", func(t *testing.T) {
		data, file := t.TempDir(), filepath.Join(dir, "runs.json")
		stdout, stderr, err := run("-workerd", workerd, "-dir", data, "-json", file, "-rows", `hello|limit, 1 object, c=16|purged|broadcast, 100|create|cached`)
		if strings.Contains(stderr, "is in memory") {
			t.Skip("the temporary directory is in memory: set TMPDIR to one on a disk")
		}
		require.NoError(t, err, stderr)
		lines := strings.Split(stdout, "\n")
		require.True(t, strings.HasPrefix(lines[0], "| row | JavaScript in workerd | durago host | Go in workerd |"), stdout)
		for i, name := range []string{"hello, c=16", "limit, 1 object, c=16, disk",
			"decide, 1 object of 2,000 keys, c=16, while they are purged, disk", "broadcast, 100 members, 1 in flight", "broadcast, 100 members, 8 in flight", "create 20 objects with one write, c=16, disk"} {
			require.True(t, strings.HasPrefix(lines[2+i], "| "+name+" |"), lines[2+i])
			require.Equal(t, 3, strings.Count(lines[2+i], "× |"), "all ratios: %s", lines[2+i])
			require.NotContains(t, lines[2+i], "| 0/s")
		}
		require.Contains(t, lines[8], " ms CPU · ", "a cold start has times")
		left, err := os.ReadDir(data)
		require.NoError(t, err)
		require.Empty(t, left)

		var saved struct {
			Cells []struct{ Runs []loadgen.Result }
		}
		b, err := os.ReadFile(file)
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(b, &saved))
		require.Len(t, saved.Cells, 21)
		require.Len(t, saved.Cells[0].Runs, 1)
	})
	t.Run("a server that does not start fails the run with its output", func(t *testing.T) {
		broken := filepath.Join(dir, "workerd")
		require.NoError(t, os.WriteFile(broken, []byte("#!/bin/sh\n[ \"$1\" = --version ] && exit 0\necho the reason\nexit 7\n"), 0o755))
		_, stderr, err := run("-workerd", broken, "-dir", t.TempDir())
		require.Error(t, err)
		require.Contains(t, stderr, "JavaScript in workerd")
		require.Contains(t, stderr, "the reason")
	})
	t.Run("a row that is not there is named", func(t *testing.T) {
		_, stderr, err := run("-workerd", workerd, "-rows", "nothing")
		require.Error(t, err)
		require.Contains(t, stderr, "-rows nothing matches no row")
	})
}
