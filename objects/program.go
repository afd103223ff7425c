package objects

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"durago.example/objects/driver"
	"durago.example/wasm/abi"
)

// Program is everything that a worker exports. It is a value: nothing is registered globally, and a test builds it
// natively.
type Program struct {
	// Classes are the Durable Object classes, each under its name.
	Classes []*Class
	// Routes are tried in order, before Fetch.
	Routes []Route
	// Fetch answers the other requests to the worker. See
	// https://developers.cloudflare.com/workers/runtime-apis/handlers/fetch/.
	Fetch http.Handler
	// Scheduled answers cron triggers. See
	// https://developers.cloudflare.com/workers/runtime-apis/handlers/scheduled/.
	Scheduled func(ctx context.Context, event ScheduledEvent) error
	// Queue answers batches of messages. See https://developers.cloudflare.com/queues/.
	Queue func(ctx context.Context, batch *QueueBatch) error
	// Services are named entrypoints for service bindings.
	Services []*Service
}

// ScheduledEvent is one firing of a cron trigger.
type ScheduledEvent struct {
	Cron string    // the pattern that matched
	Time time.Time // when it was due
}

// QueueBatch is a batch of messages of one queue.
type QueueBatch struct {
	Queue    string
	Messages []QueueMessage
}

// QueueMessage is one message; Body is in the values' codec and read with Decode.
type QueueMessage struct {
	ID       string
	Time     time.Time
	Attempts int
	body     []byte
}

// Decode reads the message's body into v, a pointer.
func (m *QueueMessage) Decode(v any) error { return decodeValue(m.body, v) }

// Run hands the program to the runtime and never returns. It belongs at the end of main. Natively, where there is no
// runtime, it ends the program with a sentence that says how to build it.
func Run(p Program) { run(p.erase()) }

// Driver is the program as a runtime takes it: for runtimes other than Run's, such as host/hosttest/native, and for tests
// that give an object a driver.Scope of their own.
func (p Program) Driver() driver.Program { return p.erase() }

func (p *Program) erase() driver.Program {
	d := driver.Program{Fetch: p.Fetch, Manifest: p.manifest}
	for _, c := range p.Classes {
		d.Classes = append(d.Classes, erased{c})
	}
	for _, v := range p.Services {
		d.Services = append(d.Services, erased{v.class})
	}
	if f := p.Scheduled; f != nil {
		d.Scheduled = func(ctx context.Context, cron string, at time.Time) error {
			return f(ctx, ScheduledEvent{cron, at})
		}
	}
	return d
}

func (p *Program) manifest() ([]byte, error) {
	m := abi.Manifest{ABI: abi.Version, Fetch: p.Fetch != nil, Scheduled: p.Scheduled != nil, Queue: p.Queue != nil}
	for _, c := range p.Classes {
		m.Classes = append(m.Classes, c.describe())
	}
	for _, r := range p.Routes {
		m.Routes = append(m.Routes, abi.ManifestRoute(r))
	}
	for _, s := range p.Services {
		m.Services = append(m.Services, s.describe())
	}
	m.Targets = p.targets()
	return json.Marshal(m)
}
