package powerloss

import (
	"os"
	"strconv"
	"testing"
)

// Scratch is an empty directory for a Disk, in memory if there is such a place: what is simulated on a real disk would
// only be slow.
func Scratch(t *testing.T) string {
	dir, err := os.MkdirTemp("/dev/shm", "durago-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// Number is an environment variable that asks a test for more, or otherwise if it is not set.
func Number(t *testing.T, variable string, otherwise int) int {
	t.Helper()
	s := os.Getenv(variable)
	if s == "" {
		return otherwise
	}
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatalf("%s: %v", variable, err)
	}
	return n
}
