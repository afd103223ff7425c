package nesting_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"durago.example/objects/internal/nesting"
)

func TestOf(t *testing.T) {
	for text, want := range map[string]int{
		``: 0, `7`: 0, `"[[["`: 0, `[]`: 1, `{"a":[{}],"b":[]}`: 3, `{"\"[":[]}`: 2, `["\\",[]]`: 2, `["\\\"[[",{"[":1}]`: 2,
		strings.Repeat("[", 500) + strings.Repeat("]", 500): 500, `"`: 0, `"\`: 0, `]]]]`: 0,
	} {
		require.Equal(t, want, nesting.Of([]byte(text)), text)
	}
}

// FuzzOf compares with what encoding/json reads.
func FuzzOf(f *testing.F) {
	for _, s := range []string{`{"a":[{}],"\\\"[":"]"}`, `[[],{"x":"\u005b["}]`, `"[`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var v any
		got := nesting.Of(b)
		if json.Unmarshal(b, &v) != nil {
			return
		}
		d := json.NewDecoder(strings.NewReader(string(b)))
		depth, want := 0, 0
		for {
			token, err := d.Token()
			if err != nil {
				break
			}
			switch token {
			case json.Delim('['), json.Delim('{'):
				depth++
				want = max(want, depth)
			case json.Delim(']'), json.Delim('}'):
				depth--
			}
		}
		if got != want {
			t.Fatalf("%q: %d, want %d", b, got, want)
		}
	})
}
