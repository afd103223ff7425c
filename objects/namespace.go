package objects

import (
	"context"
	"errors"
	"net/http"

	"durago.example/objects/driver"
)

// ID names an object within its namespace. See https://developers.cloudflare.com/durable-objects/api/id/.
type ID struct{ id driver.ID }

// String is the id as 64 hex digits.
func (i ID) String() string { return i.id.Hex }

// Name is the text that the id was made from; ok is false for unique and parsed ids.
func (i ID) Name() (name string, ok bool) { return i.id.Name, i.id.Named }

// Namespace is a class bound under a name: where ids and stubs are made. See
// https://developers.cloudflare.com/durable-objects/api/namespace/.
type Namespace struct {
	scope   driver.Scope
	binding string
}

// NamespaceOf is the binding of the given name, for the object or request that ctx belongs to. A name that is not
// configured fails at the first use.
func NamespaceOf(ctx context.Context, binding string) *Namespace {
	return &Namespace{scopeOf(ctx), binding}
}

// IDFromName is the id of the object of that name; it is always the same.
func (n *Namespace) IDFromName(name string) (ID, error) {
	p, err := n.platform()
	if err != nil {
		return ID{}, err
	}
	id, err := p.IDFromName(n.binding, name)
	return ID{id}, err
}

// IDOptions restrict where a new object lives.
type IDOptions struct{ Jurisdiction string }

// NewUniqueID is the id of an object that does not exist yet.
func (n *Namespace) NewUniqueID(o *IDOptions) (ID, error) {
	p, err := n.platform()
	if err != nil {
		return ID{}, err
	}
	if o == nil {
		o = &IDOptions{}
	}
	id, err := p.NewUniqueID(n.binding, o.Jurisdiction)
	return ID{id}, err
}

// ParseID reads an id of this namespace from its 64 hex digits.
func (n *Namespace) ParseID(hex string) (ID, error) {
	p, err := n.platform()
	if err != nil {
		return ID{}, err
	}
	id, err := p.ParseID(n.binding, hex)
	return ID{id}, err
}

// Get makes a stub of the object. Nothing is started; an error appears at the stub's first use.
func (n *Namespace) Get(id ID) *Stub {
	p, err := n.platform()
	if err != nil {
		return &Stub{err: err}
	}
	s, err := p.Stub(n.binding, id.id)
	return &Stub{stub: s, id: id, err: err}
}

// GetByName makes a stub of the object of that name.
func (n *Namespace) GetByName(name string) *Stub {
	id, err := n.IDFromName(name)
	if err != nil {
		return &Stub{err: err}
	}
	return n.Get(id)
}

func (n *Namespace) platform() (driver.Platform, error) {
	if n.scope == nil {
		return nil, errNoScope
	}
	return n.scope.Platform(), nil
}

var errNoScope = errors.New("objects: this context belongs to no object or request; pass the handler's context")

// scopeOf is the scope of ctx, else that of the running goroutine, else nil.
func scopeOf(ctx context.Context) driver.Scope {
	if s, ok := ctx.Value(driver.ScopeKey).(driver.Scope); ok {
		return s
	}
	return currentScope()
}

// Stub is a client of one object and an ordered channel to it: calls that are made one after another arrive in that
// order. After the object breaks a stub keeps failing; get a new one. See
// https://developers.cloudflare.com/durable-objects/api/stub/.
type Stub struct {
	stub driver.Stub
	id   ID
	err  error
}

var _ Caller = (*Stub)(nil)

// ID is the object's id.
func (s *Stub) ID() ID { return s.id }

// CallRPC calls a method with encoded arguments. Typed calls use it: Increment.Call(ctx, stub, 2).
func (s *Stub) CallRPC(ctx context.Context, method string, args []byte) ([]byte, error) {
	if s.err != nil {
		return nil, s.err
	}
	return s.stub.Call(ctx, method, args)
}

// Call calls a method by name: arguments are whatever the values' codec takes, result is a pointer or nil.
func (s *Stub) Call(ctx context.Context, result any, method string, args ...any) error {
	in := make([]any, len(args))
	for i := range args {
		in[i] = &args[i]
	}
	b, err := encodeArgs(in)
	if err != nil {
		return err
	}
	out, err := s.CallRPC(ctx, method, b)
	if err != nil || result == nil {
		return err
	}
	return decodeValue(out, result)
}

// Fetch sends a request to the object's HTTP handler. The URL must be absolute; its host is not looked up. The caller
// closes the response's body.
func (s *Stub) Fetch(ctx context.Context, r *http.Request) (*http.Response, error) {
	if s.err != nil {
		return nil, s.err
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
