package objects

import (
	"context"
	"errors"

	"durago.example/objects/driver"
	"durago.example/wasm/guest"
)

// ID names an object within its namespace. See https://developers.cloudflare.com/durable-objects/api/id/.
type ID struct{ id driver.ID }

// String is the id as 64 hex digits.
func (i ID) String() string { return i.id.Hex }

// Name is the text that the id was made from; ok is false for unique and parsed ids. An object does not know its own if
// it is longer than 1,024 bytes.
func (i ID) Name() (name string, ok bool) { return i.id.Name, i.id.Named }

// Equal tells whether both name the same object.
func (i ID) Equal(j ID) bool { return i.id.Hex == j.id.Hex }

// Namespace is a class bound under a name: where ids and stubs are made. See
// https://developers.cloudflare.com/durable-objects/api/namespace/.
type Namespace struct {
	scope driver.Scope
	name  driver.Namespace
}

// NamespaceOf is the binding of the given name, for the object or request that ctx belongs to. A name that is not
// configured fails at the first use.
func NamespaceOf(ctx context.Context, binding string) *Namespace {
	return &Namespace{scopeOf(ctx), driver.Namespace{Binding: binding}}
}

// Jurisdiction is the same class restricted to a jurisdiction, such as "eu": its objects run and store there, and their
// ids are others. workerd and the host have none: ids then fail. See
// https://developers.cloudflare.com/durable-objects/reference/data-location/.
func (n *Namespace) Jurisdiction(name string) *Namespace {
	return &Namespace{n.scope, driver.Namespace{Binding: n.name.Binding, Jurisdiction: name}}
}

// IDFromName is the id of the object of that name; it is always the same.
func (n *Namespace) IDFromName(name string) (ID, error) {
	p, err := n.platform()
	if err != nil {
		return ID{}, err
	}
	id, err := p.IDFromName(n.name, name)
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
	id, err := p.NewUniqueID(n.name, o.Jurisdiction)
	return ID{id}, err
}

// ParseID reads an id of this namespace from its 64 hex digits.
func (n *Namespace) ParseID(hex string) (ID, error) {
	p, err := n.platform()
	if err != nil {
		return ID{}, err
	}
	id, err := p.ParseID(n.name, hex)
	return ID{id}, err
}

// Get makes a stub of the object. Nothing is started. An error appears at the stub's first use; one of an id that is not
// of this namespace is a TypeError.
func (n *Namespace) Get(id ID) *Stub { return n.GetWith(id, GetOptions{}) }

// GetOptions say where a new object should live.
type GetOptions struct {
	// LocationHint is a region such as "weur"; what is near the first caller if empty. workerd and the host ignore it. See
	// https://developers.cloudflare.com/durable-objects/reference/data-location/#provide-a-location-hint.
	LocationHint string
}

// GetWith is Get with options.
func (n *Namespace) GetWith(id ID, o GetOptions) *Stub {
	p, err := n.platform()
	if err != nil {
		return &Stub{err: err}
	}
	s, err := p.Stub(n.name, id.id, o.LocationHint)
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
	return guest.Current()
}
