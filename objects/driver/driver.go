// Package driver is what a runtime supplies to package objects: interfaces and plain data only, as database/sql/driver
// is to database/sql. Package wasm/guest implements it over frames, in wasm and natively; tests may have their own.
// Authors of objects never import it.
//
// Synchronous methods return at once. Methods that take a context may park the goroutine; when the context ends they
// return its error, and when the object or request they work for is gone they return an error that wraps
// context.Canceled.
package driver

import (
	"context"
	"io"
	"net/http"
	"time"

	"durago.example/wasm/value"
)

// Program is what a worker exports, with types erased.
type Program struct {
	Classes   []Class
	Services  []Class // named entrypoints: made anew for each event, with a zero ID
	Fetch     http.Handler
	Scheduled func(ctx context.Context, cron string, at time.Time) error
	Manifest  func() ([]byte, error) // JSON of abi.Manifest
}

// Class makes objects.
type Class interface {
	Name() string
	New(scope Scope, id ID) (Instance, error)
}

// Instance is one live object of a class.
type Instance interface {
	Call(ctx context.Context, method string, args []byte) ([]byte, error)
	Fetch(w http.ResponseWriter, r *http.Request)
	Alarm(ctx context.Context, scheduled time.Time, retries int) error
	SocketMessage(ctx context.Context, socket uint32, text bool, data []byte) error
	SocketClose(ctx context.Context, socket uint32, code int, reason string, clean bool) error
	SocketError(ctx context.Context, socket uint32, message string) error
}

// ID names an object. Name is set if it was made from one.
type ID struct {
	Hex   string
	Name  string
	Named bool
}

// Scope is a context of the runtime: one object, or one request to the front. What an object alone has fails in a
// request with an error that says so.
type Scope interface {
	Lifecycle
	SQL() SQL
	KV() KV
	AsyncKV() AsyncKV
	Storage() Storage
	Sockets() Sockets
	Platform() Platform
	Links() Links
}

// Lifecycle is about the scope itself.
type Lifecycle interface {
	// Context ends when the scope is gone. It carries the scope.
	Context() context.Context
	Block(ctx context.Context, f func(context.Context) error) error
	WaitUntil(f func(context.Context) error)
	Go(f func(context.Context))
	// abandonAlarm says that an alarm whose handler runs is not to be tried again.
	Abort(reason *Error, abandonAlarm bool)
	Log(ctx context.Context, level int, text string)
}

// SQL is the object's database.
type SQL interface {
	// Exec steps through all rows and drops them; read and written count rows.
	Exec(query string, args []any) (read, written int64, err error)
	Open(query string, args []any, columns bool) (Cursor, error)
	Size() (int64, error)
}

// Cursor steps through a result. Float, Text and Blob read the current row; text and blob are valid until Next.
type Cursor interface {
	Columns() []string // the same slice for the same names of a statement: it is not to be changed
	Width() int
	Next() (bool, error)
	Value(i int) Value
	Close()
	// Recycle gives the cursor back to be lent again: once, after Close, by who will not use it any more. It need not be called.
	Recycle()
}

// Value is one SQL value. Kind is one of the SQL tags of wasm/abi.
type Value struct {
	Kind  byte
	Float float64
	Bytes []byte // of text and blob; valid until the cursor moves
}

// KV is synchronous key-value storage; values are in wasm/value's codec.
type KV interface {
	Get(key string) (value []byte, ok bool, err error)
	Put(key string, value []byte) error
	Delete(key string) (bool, error)
	List(o ListOptions) ([]Entry, error)
}

// AsyncKV is the same table through promises. flags are those of wasm/abi.
type AsyncKV interface {
	Get(ctx context.Context, keys []string, flags byte) ([]Entry, error)
	Put(ctx context.Context, entries []Entry, flags byte) error
	Delete(ctx context.Context, keys []string, flags byte) (int, error)
	List(ctx context.Context, o ListOptions, flags byte) ([]Entry, error)
}

// Entry is a key and its value.
type Entry struct {
	Key   string
	Value []byte
}

// ListOptions selects a range of keys; nil pointers are unset.
type ListOptions struct {
	Prefix, Start, StartAfter, End *string
	Limit                          *float64
	Reverse                        bool
}

// Storage is the rest of an object's storage.
type Storage interface {
	Alarm(ctx context.Context) (at time.Time, ok bool, err error)
	// flags are those of AsyncKV.
	SetAlarm(ctx context.Context, at time.Time, flags byte) error
	DeleteAlarm(ctx context.Context, flags byte) error
	Sync(ctx context.Context) error
	DeleteAll(ctx context.Context) error
	Bookmark(ctx context.Context) (string, error)
	Transactions
}

// Transactions begin and end around a function, or apart.
type Transactions interface {
	TransactionSync(f func() error) error
	// rollback undoes the transaction before f has ended. What f does afterwards is outside of it.
	Transaction(ctx context.Context, f func(ctx context.Context, rollback func() error) error) error
	// Begin begins a transaction that lasts until its end. The calling goroutine is inside of it until then, as one that
	// runs the function of Transaction is, and so are the goroutines that it starts. From inside, a second Begin fails:
	// the two could end in the wrong order, each waiting for the other.
	Begin(ctx context.Context) (Tx, error)
}

// Tx is a transaction of Begin. Any goroutine of the object may use and end it, once; nothing of it waits for a section,
// so that a caller may hold a lock.
type Tx interface {
	// SQL has statements take part in the transaction, whichever goroutine runs them. They fail while a section that
	// began within it is open, but for those of goroutines inside of that.
	SQL() SQL
	// Commit waits for the sections that began within the transaction. From inside of one it fails, and what the
	// transaction did is undone.
	Commit() error
	// Rollback undoes what the transaction did. It waits as Commit does, and not from inside of such a section.
	Rollback() error
}

// Sockets are the hibernatable sockets of an object, named by handles.
type Sockets interface {
	List(tag *string) ([]uint32, error)
	Send(sockets []uint32, text bool, data []byte) error
	Close(socket uint32, code int, reason string) error
	Tags(socket uint32) ([]string, error)
	Attachment(socket uint32) ([]byte, bool, error)
	Attach(socket uint32, value []byte) error
	Responses
}

// Responses are answers that the runtime gives to messages by itself.
type Responses interface {
	AutoResponse(request, reply string, set bool) error
	Pinged(socket uint32) (time.Time, bool, error)
	ReadyState(socket uint32) (int, error)
}

// Platform reaches outside the scope.
type Platform interface {
	Env() Env
	IDFromName(n Namespace, name string) (ID, error)
	NewUniqueID(n Namespace, jurisdiction string) (ID, error)
	ParseID(n Namespace, hex string) (ID, error)
	// Stub makes a stub; locationHint is where a new object should live, or empty.
	Stub(n Namespace, id ID, locationHint string) (Stub, error)
	// Service makes a stub of the worker that a service binding names.
	Service(binding string) (Stub, error)
	Fetch(ctx context.Context, r *http.Request) (*http.Response, error)
}

// Namespace is a binding, and the jurisdiction that it is restricted to, or empty.
type Namespace struct{ Binding, Jurisdiction string }

// Env is the configured environment; it comes over the cold path.
type Env interface {
	Var(name string) (string, bool)
	KV(binding string) (KVNamespace, error)
}

// KVNamespace is a Workers KV binding.
type KVNamespace interface {
	Get(ctx context.Context, key string) (value []byte, ok bool, err error)
	Put(ctx context.Context, key string, value []byte, ttl time.Duration) error
	Delete(ctx context.Context, key string) error
	List(ctx context.Context, prefix, cursor string, limit int) (keys []string, next string, err error)
}

// Stub is one ordered channel to an object, an entrypoint, or a target that somebody lent.
type Stub interface {
	// Call calls a method; that of a callback has no name.
	Call(ctx context.Context, method string, args []byte) ([]byte, error)
	Fetch(ctx context.Context, r *http.Request) (*http.Response, error)
	// Dup makes another stub of the same.
	Dup() (Stub, error)
	// Dispose says that the stub will not be used any more.
	Dispose()
}

// Target is something of a scope that others may call once it has been lent.
type Target interface {
	Call(ctx context.Context, method string, args []byte) ([]byte, error)
	// Dispose is called once for each time that it was lent, when nobody has it any more.
	Dispose()
}

// Links lends what is no data to others, and takes what they lent, by the handles that values hold.
type Links interface {
	// LendTarget lends t; class is the name of its contract, empty for a callback.
	LendTarget(t Target, class string) (value.Handle, error)
	// LendStream lends what r will be read as. It is closed at the end if it is an io.Closer.
	LendStream(r io.Reader) (value.Handle, error)
	// LendStub lends what a stub of this scope calls.
	LendStub(s Stub) (value.Handle, error)
	Stub(h value.Handle) (Stub, error)
	Stream(h value.Handle) (io.ReadCloser, error)
	// Unlend takes back what an encoded value lends that will not be sent.
	Unlend(value []byte)
}

// Upgrader is implemented by the runtime's http.ResponseWriter: it answers the request with a hibernatable socket.
type Upgrader interface {
	Upgrade(tags []string, header http.Header) (socket uint32, err error)
}

// Acceptor is implemented by the runtime's http.ResponseWriter: it answers the request with an ordinary socket, at once.
type Acceptor interface {
	Accept(header http.Header) (Conn, error)
}

// Dialer is implemented by Platforms, for the network, and by Stubs: it sends a request that asks for a socket. Without one the
// response is what there is.
type Dialer interface {
	Dial(ctx context.Context, r *http.Request) (Conn, *http.Response, error)
}

// Conn is an ordinary socket. It lasts no longer than its scope.
type Conn interface {
	// Receive waits for the next message; the end is a *CloseError, again and again. If ctx ends nothing is lost. One
	// goroutine at a time receives.
	Receive(ctx context.Context) (text bool, data []byte, err error)
	Send(text bool, data []byte) error
	Close(code int, reason string) error
	ReadyState() (int, error)
}

// Forwarder is implemented by the runtime's http.ResponseWriter: the stub's object answers in its place.
type Forwarder interface {
	Forward(s Stub, r *http.Request) error
}

type scopeKey struct{}

// ScopeKey is the key under which a context carries its Scope.
var ScopeKey any = scopeKey{}

type propsKey struct{}

// PropsKey is the key under which the context of an entrypoint's event carries the props of its binding, a value as
// []byte.
var PropsKey any = propsKey{}
