package bridge

import "durago.example/host/durable"

// Place is the isolate that has an object, and what the guest calls it. Loop only.
func (g *Guests) Place(o *durable.Object) (*Bridge, uint32) {
	s := o.Context.(*scope)
	return s.b, s.id
}
