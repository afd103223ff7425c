package objects

import (
	"context"
	"errors"
	"net/http"

	"durago.example/objects/driver"
	"durago.example/wasm/value"
)

// Stub is a client of one object or entrypoint and an ordered channel to it: calls that are made one after another arrive
// in that order, those of different stubs in any. After the object breaks a stub keeps failing with the same error; get a
// new one, or let Retry do so. See https://developers.cloudflare.com/durable-objects/api/stub/.
//
// # When a context ends
//
// A call whose context ends, or is over already, returns the context's cause at once. The object goes on with a method
// that was called, and its result is dropped: calls cannot be cancelled, as on the platform. A request can: the context
// of the object's handler ends too. A deadline itself does not travel.
//
// When the caller itself ends (its client goes away, its object is reset) its calls return ErrGone, and what has been
// said holds for the objects that it called.
//
// # As a value
//
// A stub may be an argument or a result. Whoever gets it may call it, and knows neither id nor name.
type Stub struct {
	stub driver.Stub
	id   ID
	err  error
}

var (
	_ Caller = (*Stub)(nil)
	_ linked = (*Stub)(nil)
)

// ID is the object's id; a zero one if the stub is of an entrypoint or came in a call.
func (s *Stub) ID() ID { return s.id }

// CallRPC calls a method with encoded arguments. Typed calls use it: Increment.Call(ctx, stub, 2).
func (s *Stub) CallRPC(ctx context.Context, method string, args []byte) ([]byte, error) {
	if s.err != nil {
		return nil, s.err
	}
	if reservedMethods[method] || s.id != (ID{}) && (method == "id" || method == "name") {
		return nil, &Error{Name: "TypeError", Message: "'" + method + "' is a reserved method and cannot be called over RPC."}
	}
	return s.stub.Call(ctx, method, args)
}

// reservedMethods are those that a stub on Workers has itself, or keeps from callers; one of an object has id and name too. See
// https://developers.cloudflare.com/workers/runtime-apis/rpc/reserved-methods/.
var reservedMethods = map[string]bool{"": true, "fetch": true, "connect": true, "dup": true, "constructor": true, "then": true,
	"hasOwnProperty": true, "isPrototypeOf": true, "propertyIsEnumerable": true, "toLocaleString": true, "toString": true, "valueOf": true, "__proto__": true}

// Call calls a method by name: arguments are whatever the values' codec takes, result is a pointer or nil.
func (s *Stub) Call(ctx context.Context, result any, method string, args ...any) error {
	in := make([]any, len(args))
	for i := range args {
		in[i] = &args[i]
	}
	b, err := encodeArgs(ctx, in)
	if err != nil {
		return err
	}
	out, err := s.CallRPC(ctx, method, b)
	if err != nil || result == nil {
		return err
	}
	return decodeResult(ctx, out, result)
}

// Fetch sends a request to the HTTP handler. The URL must be absolute; its host is not looked up, and its fragment stays
// here. The caller closes the response's body.
func (s *Stub) Fetch(ctx context.Context, r *http.Request) (*http.Response, error) {
	if s.err != nil {
		return nil, s.err
	}
	if r.URL.Scheme == "" || r.URL.Host == "" {
		return nil, &Error{Name: "TypeError", Message: "Invalid URL: " + r.URL.String()}
	}
	return s.stub.Fetch(ctx, r)
}

// Forward hands r, as middleware left it, to the object, and its answer to w: body, stream and socket pass by without a
// copy through Go. An error means that nothing was written.
func (s *Stub) Forward(w http.ResponseWriter, r *http.Request) error {
	if s.err != nil {
		return s.err
	}
	f, ok := unwrap[driver.Forwarder](w)
	if !ok {
		return errors.New("objects: Forward needs the handler's own http.ResponseWriter, or one that unwraps to it")
	}
	return f.Forward(s.stub, r)
}

// Dup is another stub of the same, to keep beyond the call that brought s.
func (s *Stub) Dup() (*Stub, error) {
	if s.err != nil {
		return nil, s.err
	}
	t, err := s.stub.Dup()
	return &Stub{stub: t, id: s.id}, err
}

// Dispose says that the stub will not be used any more. One that nobody uses is found in time anyway; one that came in a
// call may keep its other side in memory until then.
func (s *Stub) Dispose() {
	if s.stub != nil {
		s.stub.Dispose()
	}
}

// Describe is the TypeScript type of a stub that is a value.
func (*Stub) Describe() string { return "Fetcher" }

func (s *Stub) lend(l driver.Links) (value.Handle, error) {
	if s.err != nil {
		return value.Handle{}, s.err
	}
	return l.LendStub(s.stub)
}

func (s *Stub) take(t driver.Stub) { s.stub = t }
