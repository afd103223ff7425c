// Command nosy is the guest of the manifest test: a program that looks for secrets while it is asked what it is, and
// tells what it saw as the name of a parameter.
package main

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"durago.example/objects"
)

// Nosy is the object. Its constructor and its configuration must not run for a manifest.
type Nosy struct{}

// seen is what each place that could hold a secret showed.
var seen = map[string]string{
	"environment": strings.Join(os.Environ(), " "),
	"arguments":   strings.Join(os.Args[1:], " "),
	"clock":       time.Now().UTC().Format(time.DateTime),
	"constructor": "did not run",
}

func (n *Nosy) tell(context.Context, string) error { return nil }

func newNosy(s *objects.State) (*Nosy, error) {
	secret, _ := s.Env().Var("SECRET")
	seen["constructor"] = "ran with " + secret
	return &Nosy{}, nil
}

func main() {
	ctx := context.Background()
	_, err := os.ReadFile("/etc/passwd")
	seen["file"] = text(err)
	_, err = net.Dial("tcp", "127.0.0.1:80")
	seen["dial"] = text(err)
	r, err := http.NewRequest(http.MethodGet, "http://127.0.0.1/", nil)
	if err == nil {
		_, err = objects.Fetch(ctx, r)
	}
	seen["fetch"] = text(err)
	seen["variable"], _ = objects.EnvOf(ctx).Var("SECRET")
	_, err = objects.EnvOf(ctx).KV("SECRETS")
	seen["kv"] = text(err)
	_, err = objects.NamespaceOf(ctx, "SECRETS").IDFromName("a")
	seen["namespace"] = text(err)
	seen["bindings"] = bindings()
	b, err := json.Marshal(seen)
	if err != nil {
		panic(err)
	}
	objects.Run(objects.Program{
		Classes: []*objects.Class{objects.NewClass("Nosy", newNosy, objects.MethodProc1("tell", (*Nosy).tell, string(b)))},
		Fetch:   http.NotFoundHandler(),
	})
}

func text(err error) string {
	if err == nil {
		return "it worked"
	}
	return err.Error()
}
