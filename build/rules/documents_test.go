package rules_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root, name))
	require.NoError(t, err)
	return string(b)
}

// TestDivergence: each difference that names a test names one that exists.
func TestDivergence(t *testing.T) {
	exists := map[string]bool{}
	declared := regexp.MustCompile(`(?m)^func (Test\w+)\(`)
	require.NoError(t, filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(p, "_test.go") {
			b, err := os.ReadFile(p)
			require.NoError(t, err)
			for _, m := range declared.FindAllStringSubmatch(string(b), -1) {
				exists[m[1]] = true
			}
		}
		return err
	}))
	named := regexp.MustCompile("`(Test\\w+)`").FindAllStringSubmatch(read(t, "host/DIVERGENCE.md"), -1)
	require.NotEmpty(t, named)
	for _, m := range named {
		require.True(t, exists[m[1]], "host/DIVERGENCE.md names %s", m[1])
	}
}

// TestRationale: each module that is required directly has its reason written down.
func TestRationale(t *testing.T) {
	reasons := read(t, "host/RATIONALE.md")
	for line := range strings.Lines(read(t, "go.mod")) {
		m := regexp.MustCompile(`^\t(?:github\.com/)?(\S+) v\S+$`).FindStringSubmatch(strings.TrimRight(line, "\n"))
		if m != nil {
			require.Contains(t, reasons, "`"+m[1]+"`")
		}
	}
}
