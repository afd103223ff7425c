package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"syscall"
	"time"

	"durago.example/host/cmd/durago/crowd"
)

type benchCommands struct {
	WS benchWS `cmd:"" name:"ws" help:"Have members of rooms send to each other, and count what comes and when."`
}

type benchWS struct {
	URL         string        `arg:"" help:"Of a room, ws: or http:. {room} and {member} in it stand for numbers from 1 on, also in --header."`
	Members     int           `default:"100" help:"Connections to each room."`
	Rooms       int           `default:"1" help:"How many rooms; {room} must be in the URL if there are several."`
	Rate        float64       `default:"10" help:"Messages a second, of all rooms together, whatever the rooms do."`
	Size        int           `default:"128" help:"Bytes of a message, 100 at least."`
	Duration    time.Duration `default:"10s" help:"How long messages are sent."`
	Wait        time.Duration `default:"5s" help:"How long to wait, when nothing comes any more, for what has not come."`
	Event       string        `default:"chat" help:"The event of the messages: one that the room sends on to its members."`
	Recoverable bool          `help:"Open sessions that outlive their connections, and have messages acknowledged."`
	Deflate     bool          `help:"Offer permessage-deflate."`
	Header      []string      `placeholder:"NAME: VALUE" sep:"none" help:"A header of each connection, as Cookie or Authorization."`
	Seed        uint64        `default:"1" help:"Of who sends which message."`
	JSON        bool          `name:"json" help:"Print one JSON object."`
}

// spareFiles are those that are open beside the connections.
const spareFiles = 32

// options are the command line's; an error says what to give in its place.
func (b *benchWS) options() (o crowd.Options, err error) {
	bad := func(format string, args ...any) (crowd.Options, error) {
		return o, usageError{fmt.Errorf(format, args...)}
	}
	u, err := url.Parse(b.URL)
	switch {
	case err != nil || u.Host == "":
		return bad("%q is not a URL such as ws://127.0.0.1:8787/api/websocket?room=lobby", b.URL)
	case u.Scheme != "ws" && u.Scheme != "wss" && u.Scheme != "http" && u.Scheme != "https":
		return bad("a room has a URL of the scheme ws, wss, http or https, not %q", u.Scheme)
	case b.Members < 1 || b.Rooms < 1:
		return bad("--members %d and --rooms %d must be at least 1", b.Members, b.Rooms)
	case !(b.Rate > 0 && b.Rate <= 1e6) || b.Duration <= 0 || b.Wait < 0:
		return bad("--rate %v must be positive and at most 1,000,000, --duration %v positive and --wait %v not negative", b.Rate, b.Duration, b.Wait)
	case b.Size < 0 || b.Size > 1<<20:
		return bad("--size %d must be at most 1,048,576", b.Size)
	case b.Event == "":
		return bad("--event must name an event")
	case b.Rooms > 1 && !strings.Contains(b.URL, "{room}"):
		return bad("of several rooms the URL must say which: put {room} into it, as in ?room=bench-{room}")
	}
	header := http.Header{}
	for _, line := range b.Header {
		name, value, ok := strings.Cut(line, ":")
		if !ok || strings.TrimSpace(name) == "" {
			return bad("--header %q is not NAME: VALUE", line)
		}
		header.Add(strings.TrimSpace(name), strings.TrimSpace(value))
	}
	var limit syscall.Rlimit // the runtime has raised it as far as it may
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err == nil && uint64(b.Members)*uint64(b.Rooms)+spareFiles > limit.Cur {
		return bad("%d connections need as many open files, and this process may have %d: raise the limit (ulimit -n), or ask for fewer", b.Members*b.Rooms, limit.Cur)
	}
	return crowd.Options{URL: b.URL, Header: header, Event: b.Event, Rooms: b.Rooms, Members: b.Members, Rate: b.Rate, Size: b.Size, Duration: b.Duration,
		Wait: b.Wait, Recoverable: b.Recoverable, Deflate: b.Deflate, Seed: b.Seed}, nil
}

func (b *benchWS) Run(ctx context.Context) error {
	o, err := b.options()
	if err != nil {
		return err
	}
	r, err := crowd.Run(ctx, o)
	if err != nil {
		return err
	}
	if b.JSON {
		err = json.NewEncoder(os.Stdout).Encode(r)
	} else {
		_, err = fmt.Printf(`members       %d in %d rooms, %.0f connects/s
sent          %d, refused %d, unsent %d
delivered     %d of %d, %.0f/s
lost          %d, doubled %d, out of order %d
latency       p50 %.2f ms, p90 %.2f ms, p99 %.2f ms, max %.2f ms
connections   %d dropped, %d messages reported missing
`, r.Members, r.Rooms, r.Connects, r.Sent, r.Refused, r.Unsent, r.Delivered, r.Expected, r.Rate, r.Lost, r.Doubled, r.OutOfOrder, r.P50, r.P90, r.P99, r.Max, r.Drops, r.Gaps)
	}
	if err == nil && !r.Sound() {
		err = errors.New("not every message came once and in order: the numbers are above")
	}
	return err
}
