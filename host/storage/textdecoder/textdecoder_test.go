package textdecoder_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"durago.example/host/storage/textdecoder"
)

// TestWellFormed has what TextDecoder makes of each.
func TestWellFormed(t *testing.T) {
	for text, want := range map[string]string{
		"":                       "",
		"aé€😀":                   "aé€😀",
		"\xffA":                  "\ufffdA",
		"\xc0\x80":               "\ufffd\ufffd",
		"\xc3":                   "\ufffd",
		"\xc3A":                  "\ufffdA",
		"\xe2\x82":               "\ufffd",
		"\xe2\x82A":              "\ufffdA",
		"\xe0\x80\x80A":          "\ufffd\ufffd\ufffdA",
		"\xed\xa0\x80":           "\ufffd\ufffd\ufffd",
		"\xf0\x9f\x98":           "\ufffd",
		"\xf0\x9f\x98\xf0":       "\ufffd\ufffd",
		"\xf0\x90\x80A":          "\ufffdA",
		"\xf0\x80\x80\x80":       "\ufffd\ufffd\ufffd\ufffd",
		"\xf4\x90\x80\x80":       "\ufffd\ufffd\ufffd\ufffd",
		"\xf5\x80":               "\ufffd\ufffd",
		"\x80\xbf":               "\ufffd\ufffd",
		"x\xf0\x9f\x98\x80y\xe2": "x😀y\ufffd",
	} {
		require.Equal(t, want, string(textdecoder.WellFormed([]byte(text))), "%q", text)
	}
	same := []byte("same")
	require.Same(t, &same[0], &textdecoder.WellFormed(same)[0], "what is UTF-8 is not copied")
}
