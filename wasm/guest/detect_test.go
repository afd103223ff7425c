package guest_test

import (
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"durago.example/wasm/guest"
)

func TestDetect(t *testing.T) {
	starts := []string{"<!DOCTYPE HTML>", "<html>", " <b>", "%PDF-", "%!PS-Adobe-", "\xfe\xff", "\xef\xbb\xbf", "\x00\x00\x01\x00", "BM", "GIF89a", "RIFF0000WEBPVP",
		"\x89PNG\r\n\x1a\n", "\xff\xd8\xff", "FORM0000AIFF", "ID3", "OggS\x00", "MThd\x00\x00\x00\x06", "RIFF0000AVI ", "\x1aE\xdf\xa3", "OTTO", "ttcf", "wOFF", "wOF2",
		"\x1f\x8b\x08", "PK\x03\x04", "Rar!\x1a\x07\x00", "\x00asm", "\x00\x00\x00\x18ftypmp42", "{\"a\":1}", "[1]", "text", "ok\n", "true", "who", "0x", "\"s\"", "é"}
	r := rand.New(rand.NewPCG(1, 2))
	plain := 0
	for range 50_000 {
		s := starts[r.IntN(len(starts))] + strings.Repeat(string(rune(32+r.IntN(90))), r.IntN(40))
		if r.IntN(3) == 0 {
			s += []string{"LP", "\x00", "\t\r\n", "<p>", strings.Repeat("x", 600) + "\x01"}[r.IntN(5)]
		}
		want := http.DetectContentType([]byte(s))
		require.Equal(t, want, guest.Detect([]byte(s)), "%q", s)
		if strings.HasPrefix(want, "text/plain") {
			plain++
		}
	}
	require.Greater(t, plain, 5000)
}
