package front

import (
	"bytes"
	"crypto/sha256"
	_ "embed" // the page
	"encoding/base64"
	"net/http"
	"sync"

	"durago.example/objects/websocket"
)

//go:generate go run durago.example/build/pages/generate room/room.html room/page.html

// roomPage is the same for every room: it finds the room's name in its own address, and what others are called and say is
// never part of it.
//
//go:embed room/page.html
var roomPage []byte

func showRoom(w http.ResponseWriter, r *http.Request) {
	if !websocket.ValidRoom(r.PathValue("name")) {
		http.Error(w, "name a room: up to 128 bytes of printable text", http.StatusBadRequest)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", roomPolicy())
	h.Set("Referrer-Policy", "no-referrer") // the visitor's name is in the address
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-cache")
	_, _ = w.Write(roomPage)
}

// roomPolicy lets the page run its own script and style, which their digests tell from any other, and talk to its own host.
var roomPolicy = sync.OnceValue(func() string {
	return "default-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; connect-src 'self'; script-src '" +
		digest(`<script type="module">`, "</script>") + "'; style-src '" + digest("<style>", "</style>") + "'"
})

// digest is what a policy names an element's content by. See https://www.w3.org/TR/CSP3/#grammardef-hash-source.
func digest(begin, end string) string {
	_, rest, _ := bytes.Cut(roomPage, []byte(begin))
	content, _, _ := bytes.Cut(rest, []byte(end))
	sum := sha256.Sum256(content)
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}
