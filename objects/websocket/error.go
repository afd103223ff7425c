package websocket

import (
	"encoding/json"
	"errors"
	"net/http"

	"durago.example/objects"
)

// Codes of errors of the methods.
const (
	InvalidMessage = "INVALID_MESSAGE" // no text in event, too long, or what JSON cannot hold
	InvalidKey     = "INVALID_KEY"     // one that is too long
	KeyReused      = "KEY_REUSED"      // another message was published with the key
	InvalidQuery   = "INVALID_QUERY"   // options of history that no number or event can meet
	NoLog          = "NO_LOG"          // the room keeps no log: it needs Config.Recovery
	InvalidPlace   = "INVALID_PLACE"   // leaves that are not bound where the room is, or not one for each socket
	InvalidChange  = "INVALID_CHANGE"  // an action that is none, no entity type, or an id that is no string and no number
)

// Code is the code of an error of a room, or empty.
func Code(err error) string {
	var e *objects.Error
	if !errors.As(err, &e) {
		return ""
	}
	code, _ := e.Props["code"].(string)
	return code
}

// WriteError answers a request with a status and {"status":…,"message":…}, as the original does.
func WriteError(w http.ResponseWriter, status int, message string) {
	body, _ := json.Marshal(struct {
		Status  int    `json:"status"`
		Message string `json:"message"`
	}{status, message})
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n'))
}
