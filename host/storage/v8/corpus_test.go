package v8_test

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"durago.example/host/storage"
	"durago.example/host/storage/v8"
)

// row is a value that workerd has stored, and what the shim's codec makes of it.
type row struct {
	key           string
	stored, value []byte
}

const corpusFile = "testdata/corpus.txt"

// corpus reads the rows that workerd has written.
func corpus(t testing.TB) (rows []row) {
	b, err := os.ReadFile(corpusFile)
	require.NoError(t, err)
	for _, line := range strings.Split(strings.TrimSpace(string(b)), "\n") {
		f := strings.Split(line, "\t")
		require.Len(t, f, 3, line)
		stored, err := hex.DecodeString(f[1])
		require.NoError(t, err)
		v, err := hex.DecodeString(f[2])
		require.NoError(t, err)
		rows = append(rows, row{f[0], stored, v})
	}
	return rows
}

// loose are the rows that Encode writes in another way than workerd did, each with the reason.
var loose = map[string]string{
	"cut string":                "V8 keeps it as two-byte, as the string was that it is a part of",
	"filled holes":              "V8 remembers that there were holes",
	"undefined elements":        "V8 makes such a literal as one with holes",
	"named":                     "properties of arrays are left out",
	"named holes":               "properties of arrays are left out",
	"hidden object":             "properties of arrays are left out",
	"part of a buffer":          "a view's copy is all of its buffer",
	"views of a buffer":         "views share nothing",
	"buffer then view":          "views share nothing",
	"growing buffer":            "a copy does not grow",
	"views of a growing buffer": "a copy does not grow",
	"error DOMException":        "it becomes an Error of that name",
}

// TestDecode_corpus: Decode makes of what workerd stored what the shim's codec makes of the value itself, and Encode
// turns it back into the same bytes.
func TestDecode_corpus(t *testing.T) {
	rows := corpus(t)
	require.Greater(t, len(rows), 120)
	for _, r := range rows {
		t.Run(r.key, func(t *testing.T) {
			got, err := v8.Decode(nil, r.stored)
			if strings.HasPrefix(r.key, "no ") {
				require.Error(t, err)
				return
			}
			require.NoError(t, err)
			if r.key == "error DOMException" { // in JavaScript it has properties of its own
				require.True(t, bytes.HasPrefix(got, []byte("E\x0aAbortError\x02dm")), "%q", got)
			} else {
				require.Equal(t, hex.EncodeToString(r.value), hex.EncodeToString(got))
			}
			again, err := v8.Encode(nil, got)
			require.NoError(t, err)
			if why, ok := loose[r.key]; ok {
				require.NotEqual(t, r.stored, again, "the row is not loose: %s", why)
				third, err := v8.Decode(nil, again)
				require.NoError(t, err)
				require.Equal(t, hex.EncodeToString(got), hex.EncodeToString(third))
				return
			}
			require.Equal(t, hex.EncodeToString(r.stored), hex.EncodeToString(again))
		})
	}
}

// TestDecode_unreadable: the error says what the value was.
func TestDecode_unreadable(t *testing.T) {
	want := map[string]string{"no Blob": "a Blob", "no Headers": "Headers", "no Request": "a Request", "no SharedArrayBuffer": "a SharedArrayBuffer"}
	for _, r := range corpus(t) {
		if what, ok := want[r.key]; ok {
			_, err := v8.Decode(nil, r.stored)
			var e *v8.UnreadableError
			require.ErrorAs(t, err, &e)
			require.Equal(t, what, e.What)
			require.ErrorContains(t, err, "read it in a JavaScript class")
			delete(want, r.key)
		}
		if r.key == "no deep" {
			_, err := v8.Decode(nil, r.stored)
			require.ErrorIs(t, err, v8.ErrDepth)
		}
	}
	require.Empty(t, want)
}

// TestCorpus_current has workerd write the corpus again and compares; the environment variable DURAGO_RECORD has it
// kept. Stacks hold positions in the module, which are the same in each run.
func TestCorpus_current(t *testing.T) {
	dir := t.TempDir()
	t.Log(run(t, "corpus.mjs", "Corpus", dir))
	var b bytes.Buffer
	database(t, dir, func(d *storage.Database) {
		entries, err := d.List(storage.ListOptions{})
		require.NoError(t, err)
		values := map[string][]byte{}
		for _, e := range entries {
			if key, ok := strings.CutPrefix(e.Key, "value:"); ok {
				values[key] = buffer(t, e.Value)
			}
		}
		for _, e := range entries {
			if !strings.HasPrefix(e.Key, "value:") {
				fmt.Fprintf(&b, "%s\t%x\t%x\n", e.Key, e.Value, values[e.Key])
			}
		}
	})
	if os.Getenv("DURAGO_RECORD") != "" {
		require.NoError(t, os.WriteFile(filepath.FromSlash(corpusFile), b.Bytes(), 0o644))
	}
	want, err := os.ReadFile(corpusFile)
	require.NoError(t, err)
	require.Equal(t, string(want), b.String())
}
