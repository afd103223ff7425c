//go:build !js

package wsclient

import (
	"context"
	"crypto/tls"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"time"
)

// Options of a client. Zero fields are the defaults.
type Options struct {
	Header  http.Header // of the upgrade: cookies, Authorization, Origin
	TLS     *tls.Config
	NetDial func(ctx context.Context, network, address string) (net.Conn, error)
	// Plain has the client not ask for a session that outlives its connections.
	Plain bool
	// Deflate has it offer permessage-deflate.
	Deflate bool
	// First is the first pause before it connects again, one second. It doubles up to Most, 30 seconds; half of it and a
	// random part of the other half are waited.
	First, Most time.Duration
	// Ping is the time between pings, 30 seconds. If nothing has come until the next, the connection is given up.
	Ping time.Duration
	// Patience is how long it may take until a connection is open, or until a frame is written: 10 seconds.
	Patience time.Duration
	Rewind   int   // how many messages from before are wanted at first, up to 100
	Waiting  int   // how many messages may wait to be acknowledged, 1,000; of signals, to be written
	Events   int   // how many events may wait for Next, 256
	MaxFrame int64 // the longest frame that is read, 16 MiB: a longer one breaks the connection
	// Rand is what pauses are made of: numbers from 0 to 1. Default: random ones.
	Rand func() float64
}

func (o *Options) defaults() error {
	for _, d := range []struct {
		name  string
		field *time.Duration
		value time.Duration
	}{{"First", &o.First, time.Second}, {"Most", &o.Most, 30 * time.Second}, {"Ping", &o.Ping, 30 * time.Second}, {"Patience", &o.Patience, 10 * time.Second}} {
		if *d.field == 0 {
			*d.field = d.value
		}
		if *d.field < 0 {
			return fmt.Errorf("wsclient: %s must be positive, got %v", d.name, *d.field)
		}
	}
	if o.Waiting == 0 {
		o.Waiting = 1000
	}
	if o.Events == 0 {
		o.Events = 256
	}
	if o.MaxFrame == 0 {
		o.MaxFrame = 16 << 20
	}
	if o.Waiting < 0 || o.Events < 0 || o.MaxFrame < 0 || o.Rewind < 0 || o.Rewind > 100 {
		return fmt.Errorf("wsclient: Waiting %d, Events %d and MaxFrame %d must be positive, Rewind %d at most 100", o.Waiting, o.Events, o.MaxFrame, o.Rewind)
	}
	if o.Rand == nil {
		o.Rand = rand.Float64
	}
	return nil
}

// half is half of a time, and a random part of the other half: so that not all come at once.
func (o *Options) half(d time.Duration) time.Duration {
	return d/2 + time.Duration(o.Rand()*float64(d)/2)
}
