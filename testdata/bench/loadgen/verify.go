package loadgen

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/gorilla/websocket"
)

// question is one request of Verify and what its answer must look like.
type question struct {
	method, path, body string
	status             int
	answer             string // a regular expression for all of it
}

// questions are asked in order, of objects that nobody has used: later answers depend on earlier ones.
var questions = []question{
	{"GET", "/", "", 200, `ok\n`},
	{"GET", "/nothing", "", 404, `not found\n`},
	{"POST", "/touch/{k}", "", 200, `{"calls":1}`},
	{"POST", "/touch/{k}", "", 200, `{"calls":2}`},
	{"POST", "/relay/{k}", "", 200, `{"calls":10}`},
	{"POST", "/relay/{k}", "", 200, `{"calls":20}`},
	{"POST", "/limit/{k}", "", 200, `{"ok":true,"remaining":999999999}`},
	{"POST", "/limit/{k}", "", 200, `{"ok":true,"remaining":999999998}`},
	{"POST", "/limit/{k}?limit=3&window=3600000000", "", 200, `{"ok":true,"remaining":2}`}, // another window: it starts anew
	{"POST", "/limit/{k}?limit=3&window=3600000000", "", 200, `{"ok":true,"remaining":1}`},
	{"POST", "/limit/{k}?limit=3&window=3600000000", "", 200, `{"ok":true,"remaining":0}`},
	{"POST", "/limit/{k}?limit=3&window=3600000000", "", 429, `{"ok":false,"remaining":0}`},
	{"POST", "/limitkv/{k}", "", 200, `{"ok":true,"remaining":999999999}`},
	{"POST", "/limitkv/{k}", "", 200, `{"ok":true,"remaining":999999998}`},
	{"POST", "/rate/{k}", "", 200, `{"ok":true,"remaining":999999999,"limit":1000000000,"reset_in_ms":1000}\n`},
	{"POST", "/rate/{k}?cost=999999998", "", 200, `{"ok":true,"remaining":[12],"limit":1000000000,"reset_in_ms":\d+}\n`},
	{"POST", "/rate/{k}?cost=5", "", 429, `{"ok":false,"remaining":[123],"limit":1000000000,"reset_in_ms":\d+}\n`},
	{"POST", "/exact/{k}?n=3", "", 200, `{"passed":3}`},
	{"POST", "/fill/{k}?from=0&to=9&expires=0", "", 200, `{"filled":9}`},
	{"POST", "/decide/{k}/token_bucket?among=9", "", 200, `{"allowed":true,"remaining":999999998,"retry_in_ms":0,"reset_in_ms":\d+}`},
	{"POST", "/purge/{k}", "", 200, `{"purging":true}`},
	{"POST", "/leased/{k}?n=3", "", 200, `{"passed":3}`},
	{"GET", "/counter/{k}", "", 200, `{"n":0}`},
	{"POST", "/counter/{k}", "", 200, `{"n":1}`},
	{"POST", "/counter/{k}", "", 200, `{"n":2}`},
	{"GET", "/counter/{k}", "", 200, `{"n":2}`},
	{"POST", "/kvcounter/{k}", "", 200, `{"n":1}`},
	{"POST", "/akvcounter/{k}", "", 200, `{"n":2}`}, // both interfaces have the same keys
	{"POST", "/insert/{k}", "", 200, `{"rows":\[{"id":1,"at":\d{13},"body":"hello"}\]}`},
	{"POST", "/insert/{k}", "wörld", 200, `{"rows":\[{"id":2,"at":\d{13},"body":"wörld"},{"id":1,"at":\d{13},"body":"hello"}\]}`},
	{"GET", "/room/{k}", "", 200, `{"members":0,"constructions":1}`},
	{"GET", "/ws/{k}", "", 426, `expected websocket\n?`},
}

// Verify asks every route of README.md and compares the answers. prefix makes names that the server has not seen. The
// error lists every answer that is wrong.
func Verify(ctx context.Context, t Target, prefix string) error {
	if _, err := t.address(); err != nil {
		return err
	}
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(ctx, requestLimit)
	defer cancel()
	var wrong []error
	for _, q := range slices.Concat(questions, decisions) {
		if err := q.ask(ctx, transport, t.URL, prefix); err != nil {
			wrong = append(wrong, fmt.Errorf("loadgen: verify %s %s: %w", q.method, q.path, err))
		}
	}
	if err := verifyRoom(ctx, t.URL, prefix); err != nil {
		wrong = append(wrong, fmt.Errorf("loadgen: verify /ws/{k}: %w", err))
	}
	for _, route := range []string{"chat", "kept"} {
		if err := verifyChat(ctx, t.URL, route, prefix); err != nil {
			wrong = append(wrong, fmt.Errorf("loadgen: verify /%s/{k}: %w", route, err))
		}
	}
	return errors.Join(wrong...)
}

func (q *question) ask(ctx context.Context, transport *http.Transport, base, key string) error {
	req, err := http.NewRequestWithContext(ctx, q.method, base+strings.ReplaceAll(q.path, "{k}", key), strings.NewReader(q.body))
	if err != nil {
		return err
	}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return err
	}
	b, err := io.ReadAll(resp.Body)
	if err = errors.Join(err, resp.Body.Close()); err != nil {
		return err
	}
	if resp.StatusCode != q.status || !regexp.MustCompile(`^`+q.answer+`$`).Match(b) {
		return fmt.Errorf("got %d %q, want %d %q", resp.StatusCode, b, q.status, q.answer)
	}
	return nil
}

// verifyRoom has two members hear what one says.
func verifyRoom(ctx context.Context, base, key string) error {
	var members [2]*websocket.Conn
	for i := range members {
		c, _, err := websocket.DefaultDialer.DialContext(ctx, "ws"+strings.TrimPrefix(base, "http")+"/ws/"+key, nil)
		if err != nil {
			return err
		}
		defer c.Close()
		members[i] = c
	}
	if err := members[0].WriteMessage(websocket.TextMessage, []byte("grüße")); err != nil {
		return err
	}
	for i, c := range members {
		if err := c.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
			return err
		}
		kind, b, err := c.ReadMessage()
		if err != nil {
			return fmt.Errorf("member %d: %w", i, err)
		}
		if kind != websocket.TextMessage || string(b) != "grüße" {
			return fmt.Errorf("member %d got %q, want %q as text", i, b, "grüße")
		}
	}
	q := question{"GET", "/room/{k}", "", 200, `{"members":2,"constructions":1}`}
	transport := &http.Transport{DisableKeepAlives: true}
	return q.ask(ctx, transport, base, key)
}
