package conformance_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"durago.example/host/hosttest/conformance"
)

func answer(id string, n int, line, got string) conformance.Answer {
	return conformance.Answer{ID: id, N: n, Line: line, Got: got}
}

// TestRecord: workerd's answers are written, the host's beside them where the row says that they differ, and read again.
func TestRecord(t *testing.T) {
	table := &conformance.Table{Rows: []*conformance.Row{{ID: "kv.a"}, {ID: "kv.b", Differs: "X"}}}
	workerd := []conformance.Answer{answer("kv.a", 1, "get → this", "one"), answer("kv.b", 1, "get", "two"), answer("kv.b", 2, "list", "three")}
	host := []conformance.Answer{answer("kv.a", 1, "get → this", "uno"), answer("kv.b", 1, "get", "due"), answer("kv.b", 2, "list", "three")}
	file := filepath.Join(t.TempDir(), "recorded", "kv.txt")
	require.NoError(t, conformance.Write(file, conformance.Record(table, workerd, host)))
	b, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, "kv.a/1 get → this → one\nkv.b/1 get → two\n  ≠ due\nkv.b/2 list → three\n", string(b))
	recorded, err := conformance.Read(file)
	require.NoError(t, err)
	require.Empty(t, conformance.Compare(recorded, workerd, false))
	found := conformance.Compare(recorded, host, true)
	require.Len(t, found, 1, "what is not listed is a difference")
	require.Equal(t, "kv.a", found[0].ID)

	require.NoError(t, os.WriteFile(file, []byte("kv.a get\n"), 0o644))
	_, err = conformance.Read(file)
	require.ErrorContains(t, err, `kv.txt: cannot read "kv.a get"`)
}

func TestCompare(t *testing.T) {
	recorded := []conformance.Recorded{{Answer: answer("kv.a", 1, "get", "one")}, {Answer: answer("kv.a", 2, "list", "two")},
		{Answer: answer("kv.b", 1, "get", "three"), Host: "tre", Differ: true}}
	right := []conformance.Answer{answer("kv.a", 1, "get", "one"), answer("kv.a", 2, "list", "two"), answer("kv.b", 1, "get", "tre")}
	require.Empty(t, conformance.Compare(recorded, right, true))
	for name, c := range map[string]struct {
		change func(a []conformance.Answer) []conformance.Answer
		key    string
	}{
		"a wrong answer":                       {func(a []conformance.Answer) []conformance.Answer { a[1].Got = "2"; return a }, "kv.a/2"},
		"workerd's, where the host differs":    {func(a []conformance.Answer) []conformance.Answer { a[2].Got = "three"; return a }, "kv.b/1"},
		"an answer that is missing":            {func(a []conformance.Answer) []conformance.Answer { return a[1:] }, "kv.a/1"},
		"one to another line":                  {func(a []conformance.Answer) []conformance.Answer { a[0].Line = "put"; return a }, "kv.a/1"},
		"one that nobody asked for":            {func(a []conformance.Answer) []conformance.Answer { return append(a, answer("kv.b", 2, "get", "")) }, "kv.b/2"},
		"one of a row that is not in the list": {func(a []conformance.Answer) []conformance.Answer { return append(a, answer("kv.z", 1, "get", "")) }, "kv.z/1"},
	} {
		t.Run(name, func(t *testing.T) {
			found := conformance.Compare(recorded, c.change(append([]conformance.Answer(nil), right...)), true)
			require.Len(t, found, 1)
			require.Equal(t, c.key, found[0].Key)
		})
	}
}
