package objects

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"durago.example/objects/driver"
	"durago.example/wasm/abi"
)

// Class is a Durable Object class with its Go type erased: what a Program lists.
type Class struct {
	name      string
	methods   []*Signature
	abilities abilities
	create    func(*State) (*instance, error)
}

// NewClass makes a class of T: its exported name, its constructor and its RPC methods. The constructor runs when an
// object starts or wakes, before any event; its error breaks the object and goes to whoever called it. Two methods of
// one name are a programming error and panic.
//
// What T can do besides is found by type: http.Handler, AlarmHandler, MessageHandler, CloseHandler, ErrorHandler.
func NewClass[T any](name string, create func(*State) (*T, error), methods ...Method[T]) *Class {
	table, signatures := tableOf("class "+name, methods)
	c := &Class{name: name, methods: signatures, abilities: abilitiesOf((*T)(nil))}
	c.create = func(s *State) (*instance, error) {
		t, err := create(s)
		if err != nil {
			return nil, err
		}
		if t == nil {
			return nil, fmt.Errorf("objects: the constructor of class %s returned nil without an error", name)
		}
		return &instance{class: c, state: s, self: t, call: func(ctx context.Context, method string, args []byte) ([]byte, error) {
			return table.call(t, ctx, method, args)
		}}, nil
	}
	return c
}

// Name is the class's exported name.
func (c *Class) Name() string { return c.name }

// As is the same class under another exported name.
func (c *Class) As(name string) *Class {
	d := *c
	d.name = name
	return &d
}

func (c *Class) describe() abi.ManifestClass {
	m := abi.ManifestClass{Name: c.name, Fetch: c.abilities.fetch, Alarm: c.abilities.alarm,
		Message: c.abilities.message, Close: c.abilities.close, Error: c.abilities.error}
	for _, s := range c.methods {
		m.Methods = append(m.Methods, s.describe())
	}
	return m
}

type erased struct{ c *Class }

func (e erased) Name() string { return e.c.name }

func (e erased) New(scope driver.Scope, id driver.ID) (driver.Instance, error) {
	i, err := e.c.create(&State{scope: scope, id: ID{id}})
	if err != nil {
		return nil, err
	}
	return i, nil
}

type instance struct {
	class *Class
	state *State
	self  any
	call  func(ctx context.Context, method string, args []byte) ([]byte, error)
}

var _ driver.Instance = (*instance)(nil)

func (i *instance) Call(ctx context.Context, method string, args []byte) ([]byte, error) {
	return i.call(ctx, method, args)
}

func (i *instance) Fetch(w http.ResponseWriter, r *http.Request) {
	h, ok := i.self.(http.Handler)
	if !ok {
		http.Error(w, "Handler does not export a fetch() function.", http.StatusInternalServerError)
		return
	}
	h.ServeHTTP(w, r)
}

func (i *instance) Alarm(ctx context.Context, scheduled time.Time, retries int) error {
	h, ok := i.self.(AlarmHandler)
	if !ok {
		return &Error{Name: "Error", Message: "Attempted to run a scheduled alarm without a handler, did you remember to export an alarm() function?"}
	}
	return h.Alarm(ctx, AlarmInfo{ScheduledTime: scheduled, RetryCount: retries})
}

func (i *instance) SocketMessage(ctx context.Context, socket uint32, text bool, data []byte) error {
	if h, ok := i.self.(MessageHandler); ok {
		return h.WebSocketMessage(ctx, i.state.socket(socket), Message{Data: data, Text: text})
	}
	return nil
}

func (i *instance) SocketClose(ctx context.Context, socket uint32, code int, reason string, clean bool) error {
	if h, ok := i.self.(CloseHandler); ok {
		return h.WebSocketClose(ctx, i.state.socket(socket), CloseInfo{Code: code, Reason: reason, Clean: clean})
	}
	return nil
}

func (i *instance) SocketError(ctx context.Context, socket uint32, message string) error {
	if h, ok := i.self.(ErrorHandler); ok {
		return h.WebSocketError(ctx, i.state.socket(socket), &Error{Name: "Error", Message: message})
	}
	return nil
}
