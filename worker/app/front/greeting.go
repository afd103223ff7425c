package front

import (
	"fmt"
	"io"
	"net/http"

	"durago.example/objects"
)

// maxGreeting is the length of the longest greeting, in bytes.
const maxGreeting = 1024

// greet reads a KV namespace, and a variable where that has nothing.
func greet(w http.ResponseWriter, r *http.Request) {
	env := objects.EnvOf(r.Context())
	kv, err := env.KV("GREETINGS")
	if err != nil {
		fail(w, r, err)
		return
	}
	name := r.PathValue("name")
	word, ok, err := kv.Get(r.Context(), name)
	if err != nil {
		fail(w, r, err)
		return
	}
	if !ok {
		s, _ := env.Var("GREETING")
		word = []byte(s)
	}
	fmt.Fprintf(w, "%s, %s\n", word, name)
}

func setGreeting(w http.ResponseWriter, r *http.Request) {
	word, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxGreeting))
	if err != nil {
		http.Error(w, fmt.Sprintf("send a greeting of up to %d bytes", maxGreeting), http.StatusBadRequest)
		return
	}
	kv, err := objects.EnvOf(r.Context()).KV("GREETINGS")
	if err == nil {
		err = kv.Put(r.Context(), r.PathValue("name"), word, 0)
	}
	if err != nil {
		fail(w, r, err)
	}
}
