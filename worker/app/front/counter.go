package front

import (
	"encoding/json"
	"net/http"
	"strconv"

	"durago.example/objects"
	"durago.example/objects/websocket"
	"durago.example/worker/counter"
)

// counterOf is the object that a request's path names.
func counterOf(r *http.Request) *objects.Stub {
	return objects.NamespaceOf(r.Context(), "COUNTER").GetByName(r.PathValue("name"))
}

func readCounter(w http.ResponseWriter, r *http.Request) {
	if websocket.IsUpgrade(r) { // the whole request goes on
		if err := counterOf(r).Forward(w, r); err != nil {
			fail(w, r, err)
		}
		return
	}
	n, err := counter.Get.Call(r.Context(), counterOf(r))
	answer(w, r, n, err)
}

func countUp(w http.ResponseWriter, r *http.Request) {
	by := 1
	if s := r.URL.Query().Get("by"); s != "" {
		var err error
		if by, err = strconv.Atoi(s); err != nil {
			http.Error(w, "by must be a whole number, got "+strconv.Quote(s), http.StatusBadRequest)
			return
		}
	}
	n, err := counter.Increment.Call(r.Context(), counterOf(r), by)
	answer(w, r, n, err)
}

func answer(w http.ResponseWriter, r *http.Request, n int, err error) {
	if err != nil {
		fail(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]int{"n": n})
}
