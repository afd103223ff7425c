package websocket

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"strconv"

	"durago.example/objects"
)

// LeafHeader is the request header in which a leaf finds its number. Like MetaHeader it is set by the handler only.
const LeafHeader = "X-Ws-Leaf"

// LeafName is the name of a leaf's object. Leaves are numbered from 1 on.
func LeafName(room string, leaf int64) string { return strconv.FormatInt(leaf, 10) + "/" + room }

// Place asks a room where its next client goes: to the leaf of that number behind the binding leaves, or, at 0, to the
// room itself. perLeaf is how many sockets each takes, room its name. Handler calls it. An error with the code
// InvalidPlace is a mistake in the configuration.
var Place = objects.Declare3[string, int64, string, int64]("place", "leaves", "perLeaf", "room")

// place is where a client goes, a room's object or a leaf's.
func (h handler) place(r *http.Request, room string) (to Forwarder, leaf int64, err error) {
	to = h.Room(r.Context(), room)
	if h.Leaves == "" {
		return to, 0, nil
	}
	if _, err := objects.NamespaceOf(r.Context(), h.Leaves).IDFromName(room); err != nil { // also while the room is small
		return nil, 0, fmt.Errorf("websocket: Options.Leaves is %q, but this worker has no such binding: add a durable_objects binding of that name, "+
			"of the class that websocketserver.LeafClass makes: %w", h.Leaves, err)
	}
	stub, ok := to.(objects.Caller)
	if !ok {
		return nil, 0, &objects.Error{Name: "TypeError", Message: "websocket: Options.Room must return an *objects.Stub where Leaves is set"}
	}
	if leaf, err = Place.Call(r.Context(), stub, h.Leaves, h.PerLeaf, room); err != nil || leaf == 0 {
		return to, 0, err
	}
	return h.leaf(r.Context(), LeafName(room, leaf)), leaf, nil
}

// hand hands an upgrade to a room or to a leaf.
func (h handler) hand(w http.ResponseWriter, r *http.Request, room string) {
	to, leaf, err := h.place(r, room)
	r.Header.Del(LeafHeader) // the client may have sent one
	if leaf > 0 {
		r.Header.Set(LeafHeader, strconv.FormatInt(leaf, 10))
	}
	if err == nil {
		err = to.Forward(w, r)
	}
	if err != nil {
		log.Printf("websocket: room %q, leaf %d: %v", room, leaf, err)
		WriteError(w, http.StatusServiceUnavailable, "WebSocket not available")
	}
}

func (h handler) leaf(ctx context.Context, name string) Forwarder {
	return objects.NamespaceOf(ctx, h.Leaves).GetByName(name)
}
