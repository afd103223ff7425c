// Package fakeobject is what tests of classes run them on natively: the driver.Scope of an object that has SQLite in
// memory and one alarm. A test embeds an Object and adds what its class needs besides; what is not there panics.
//
// It is for tests alone, and the one package under objects that may know SQLite: build/rules holds both. An Object belongs
// to one goroutine at a time; its Database may be called from any.
package fakeobject

import (
	"context"

	"durago.example/objects"
	"durago.example/objects/driver"
)

// Object is an object's scope. Its instances come and go, the database and the alarm stay.
type Object struct {
	driver.Scope
	DB     *Database
	Alarm  *Storage
	Logged []string
}

var _ driver.Scope = (*Object)(nil)

// Open makes one with nothing in it. Whoever calls it closes its DB.
func Open() (*Object, error) {
	db, err := open()
	if err != nil {
		return nil, err
	}
	return &Object{DB: db, Alarm: &Storage{}}, nil
}

func (o *Object) Context() context.Context { return context.Background() }
func (o *Object) SQL() driver.SQL          { return o.DB }
func (o *Object) Storage() driver.Storage  { return o.Alarm }

// Log keeps the text.
func (o *Object) Log(_ context.Context, _ int, text string) { o.Logged = append(o.Logged, text) }

// Start has a runtime make an instance. scope is the Object, or what embeds it.
func Start(scope driver.Scope, c *objects.Class) (driver.Instance, error) {
	return objects.Program{Classes: []*objects.Class{c}}.Driver().Classes[0].New(scope, driver.ID{})
}

// Create is Start for a test that wants what the constructor made.
func Create[T any](scope driver.Scope, construct func(*objects.State) (*T, error)) (object *T, err error) {
	_, err = Start(scope, objects.NewClass("C", func(state *objects.State) (_ *T, err error) {
		object, err = construct(state)
		return object, err
	}))
	return object, err
}
