package websocket

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"durago.example/objects"
	"durago.example/objects/internal/nesting"
)

// MetaHeader is the request header in which a room finds {"room":…,"meta":…,"capabilities":…,"expires":…,"token_id":…,
// "door":…}, the third as Capabilities, the fourth in milliseconds since 1970, the last a Door. Only a binding reaches the object, so that
// it can be trusted; never expose the object by a route of its own.
const MetaHeader = "X-Ws-Meta"

// Handler lets clients into rooms. The statuses of refusals, in this order:
//
//	404 another path
//	405 another method than GET
//	426 no upgrade to WebSocket, or not to version 13
//	403 a page of an origin that is not allowed
//	401 nobody
//	400 a join token that is too long, or two
//	401 one that is forged, has expired, or does not count yet
//	403 one for another room
//	400 no room, or a name that is none
//	403 a room where this one may not be, or, by the room's answer, is banned from
//	503 it cannot be told who it is, or the room cannot be reached
//	500 metadata that is too long, or nested deeper than MaxDepth
//
// The room itself answers 429 to a user who is there too often, and 503 if it is full.
//
// Beside the upgrade it has doors for clients without a socket, if it is mounted at Path + "/" too: see the package.
//
// It panics if neither Authenticate nor Tokens is set, or if PerLeaf is negative.
func Handler(o Options) http.Handler {
	if o.Authenticate == nil && o.Tokens == nil {
		panic("websocket: Handler needs Authenticate or Tokens")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.PerLeaf < 0 {
		panic(fmt.Sprintf("websocket: PerLeaf must be positive, got %d", o.PerLeaf))
	}
	if o.PerLeaf == 0 {
		o.PerLeaf = 1000
	}
	if o.Path == "" {
		o.Path = "/api/websocket"
	}
	if o.Binding == "" {
		o.Binding = "WEBSOCKET"
	}
	if o.Room == nil {
		binding := o.Binding
		o.Room = func(ctx context.Context, name string) Forwarder {
			return objects.NamespaceOf(ctx, binding).GetByName(name)
		}
	}
	return handler{o}
}

type handler struct{ Options }

func (h handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if d := h.doorOf(r.URL.Path); d != nil {
		h.open(w, r, d)
		return
	}
	switch {
	case r.URL.Path != h.Path:
		WriteError(w, http.StatusNotFound, "Not found")
		return
	case r.Method != http.MethodGet:
		w.Header().Set("Allow", http.MethodGet)
		WriteError(w, http.StatusMethodNotAllowed, "Use GET to upgrade to WebSocket")
		return
	case !IsUpgrade(r):
		w.Header().Set("Upgrade", "websocket")
		w.Header().Set("Sec-WebSocket-Version", "13")
		WriteError(w, http.StatusUpgradeRequired, "Upgrade to WebSocket version 13")
		return
	case !originAllowed(r, h.Origins):
		WriteError(w, http.StatusForbidden, "Origin not allowed")
		return
	}
	if token, offered := takeToken(&r); offered && h.Tokens != nil {
		h.join(w, r, token, h.forward)
		return
	}
	h.admit(w, r, "", h.forward)
}

// entrance goes on with somebody who may be in a room; tokenID is that of the join token which said so, if one did.
type entrance func(w http.ResponseWriter, r *http.Request, room string, who *Identity, tokenID string)

// admit finds out who a request is from and which room it is for, and goes on if this one may be there. Who is nobody may have
// a join token.
func (h handler) admit(w http.ResponseWriter, r *http.Request, token string, then entrance) {
	var who *Identity
	var err error
	if h.Authenticate != nil {
		who, err = h.Authenticate(r)
	}
	if err == nil && who == nil && token != "" && h.Tokens != nil {
		h.join(w, r, token, then)
		return
	}
	switch {
	case err != nil:
		log.Printf("websocket: authenticate: %v", err)
		WriteError(w, http.StatusServiceUnavailable, "WebSocket not available")
		return
	case who == nil:
		WriteError(w, http.StatusUnauthorized, "Unauthorized")
		return
	}
	room := who.Room
	if named := r.URL.Query().Get("room"); named != "" {
		room = named
	}
	switch {
	case !ValidRoom(room):
		WriteError(w, http.StatusBadRequest, "Name a room: up to 128 bytes of printable text")
	case room != who.Room && (h.Authorize == nil || !h.Authorize(r, who, room)):
		WriteError(w, http.StatusForbidden, "Forbidden")
	default:
		then(w, r, room, who, "")
	}
}

// metadata is what a room is told of a client, or false: then the request is answered.
func metadata(w http.ResponseWriter, room string, who *Identity, tokenID string, d *Door) (value string, ok bool) {
	meta, err := json.Marshal(struct {
		Room         string        `json:"room"`
		Meta         any           `json:"meta,omitempty"`
		Capabilities *Capabilities `json:"capabilities,omitempty"`
		Expires      int64         `json:"expires,omitempty"`
		TokenID      string        `json:"token_id,omitempty"`
		Door         *Door         `json:"door,omitempty"`
	}{room, who.Meta, who.Capabilities, who.ends(), tokenID, d})
	if err == nil {
		err = who.Capabilities.Check()
	}
	value = ascii(meta)
	if err != nil || len(value) > MaxMeta || nesting.Of(meta) > MaxDepth {
		log.Printf("websocket: metadata of %d bytes for room %q: %v", len(value), room, err)
		WriteError(w, http.StatusInternalServerError, "Metadata too large")
		return "", false
	}
	return value, true
}

func (h handler) forward(w http.ResponseWriter, r *http.Request, room string, who *Identity, tokenID string) {
	value, ok := metadata(w, room, who, tokenID, nil)
	if !ok {
		return
	}
	q := r.Clone(r.Context())
	q.Header.Set(MetaHeader, value) // in place of what the client may have sent
	h.hand(w, q, room)
}

// IsUpgrade tells whether a request asks for WebSocket as RFC 6455 has it. See
// https://www.rfc-editor.org/rfc/rfc6455#section-4.2.1.
func IsUpgrade(r *http.Request) bool {
	version := r.Header.Get("Sec-WebSocket-Version")
	return strings.EqualFold(r.Header.Get("Upgrade"), "websocket") && (version == "" || version == "13")
}

// ValidRoom tells whether a room may have a name: up to MaxRoom bytes of text without control characters.
func ValidRoom(name string) bool {
	return name != "" && len(name) <= MaxRoom && utf8.ValidString(name) && !strings.ContainsFunc(name, unicode.IsControl)
}

// ascii escapes what a header cannot hold. In JSON that can only be within a text.
func ascii(b []byte) string {
	var s strings.Builder
	for _, r := range string(b) {
		switch {
		case r < utf8.RuneSelf:
			s.WriteRune(r)
		case r > 0xFFFF:
			r -= 0x10000
			escape(&s, 0xD800+r>>10)
			escape(&s, 0xDC00+r&0x3FF)
		default:
			escape(&s, r)
		}
	}
	return s.String()
}

func escape(s *strings.Builder, unit rune) {
	const hex = "0123456789abcdef"
	s.WriteString(`\u`)
	for shift := 12; shift >= 0; shift -= 4 {
		s.WriteByte(hex[unit>>shift&15])
	}
}
