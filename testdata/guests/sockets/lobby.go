package main

import (
	"net/http"

	"durago.example/objects"
)

// enter lets a client into the object's lobby, a room of ordinary sockets: what one says is written down, and all hear it.
func (p *Peer) enter(w http.ResponseWriter, r *http.Request) error {
	sql := p.state.Storage().SQL()
	if _, err := sql.Exec(`CREATE TABLE IF NOT EXISTS handled (text TEXT)`); err != nil {
		return err
	}
	c, err := objects.Accept(w, r, nil)
	if err != nil {
		return err
	}
	p.lobby[c] = true
	defer delete(p.lobby, c)
	for {
		m, err := c.Receive(r.Context())
		if err != nil {
			return nil // it has closed, which was answered
		}
		if _, err := sql.Exec(`INSERT INTO handled VALUES (?)`, string(m.Data)); err != nil {
			return err
		}
		for other := range p.lobby {
			_ = other.Send(m) // one that has closed hears nothing more
		}
	}
}
