package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"durago.example/objects"
)

// serve accepts a socket, of an object or of the front, and does what its messages say; what came of it is noted at the end.
func serve(w http.ResponseWriter, r *http.Request, state *objects.State, name string) error {
	c, err := objects.Accept(w, r, &objects.AcceptOptions{Protocol: r.URL.Query().Get("protocol"), Header: http.Header{"X-Own": {"yes"}}})
	if err != nil {
		return err
	}
	if _, err := w.Write([]byte("body")); err != http.ErrHijacked {
		note(name, "write: %v", err)
	}
	ctx := r.Context()
	for n := 0; ; n++ {
		m, err := c.Receive(ctx)
		if err != nil {
			state, _ := c.ReadyState()
			_, again := c.Receive(ctx)
			note(name, "%s, state %d, then send: %v, again: %v", last(m, err), state, c.Send(objects.Text("late")), errors.Is(again, err))
			return nil
		}
		verb, arg, _ := strings.Cut(string(m.Data), " ")
		switch {
		case !m.Text:
			err = c.Send(echo(m))
		case verb == "count":
			err = c.Send(objects.Text(strconv.Itoa(n)))
		case verb == "bytes":
			size, _ := strconv.Atoi(arg)
			err = c.Send(objects.Message{Data: make([]byte, size)})
		case verb == "close":
			code, reason, _ := strings.Cut(arg, " ")
			number, _ := strconv.Atoi(code)
			if bad := c.Close(number, reason); bad != nil {
				err = c.Send(objects.Text(bad.Error()))
				break
			}
			state, _ := c.ReadyState()
			note(name, "state %d, send: %v, close: %v", state, c.Send(objects.Text("late")), c.Close(4000, "again"))
		case verb == "leave": // the handler returns, another goroutine goes on
			return nil
		case verb == "panic":
			panic("socket panic")
		case verb == "wait": // a Receive that is given up loses nothing
			short, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
			_, gaveUp := c.Receive(short)
			cancel()
			err = c.Send(objects.Text("waited: " + gaveUp.Error()))
		case verb == "section": // which began after the socket was accepted
			err = state.BlockConcurrencyWhile(ctx, func(ctx context.Context) error {
				m, err := c.Receive(ctx)
				return errors.Join(err, c.Send(objects.Text("inside: "+string(m.Data))))
			})
		case verb == "burst":
			size, _ := strconv.Atoi(arg)
			for i := range size {
				err = errors.Join(err, c.Send(objects.Text(strconv.Itoa(i))))
			}
		case verb == "pause":
			ms, _ := strconv.Atoi(arg)
			time.Sleep(time.Duration(ms) * time.Millisecond)
		default:
			err = c.Send(objects.Text("echo " + string(m.Data)))
		}
		if err != nil {
			note(name, "send: %v", err)
		}
	}
}

// echo is the answer to a message that is not text: itself, unless it is large.
func echo(m objects.Message) objects.Message {
	if n := len(m.Data); n > 8<<20 {
		return objects.Text(fmt.Sprint("got ", n))
	}
	return m
}

// last is what a Receive returned, in words.
func last(m objects.Message, err error) string {
	var e *objects.CloseError
	switch {
	case errors.As(err, &e):
		return fmt.Sprintf("%d %q clean=%v", e.Code, e.Reason, e.Clean)
	case err != nil:
		return err.Error()
	case !m.Text && len(m.Data) > 100:
		return fmt.Sprintf("%d bytes", len(m.Data))
	}
	return fmt.Sprintf("%q", m.Data)
}

// answer dials, does what the steps of the query say, and answers with what came of them.
func answer(w http.ResponseWriter, r *http.Request, dial func() (*objects.Conn, *http.Response, error)) error {
	c, resp, err := dial()
	if err != nil {
		text := err.Error()
		if url := r.URL.Query().Get("url"); url != "" { // it has a port that is never the same
			text = strings.ReplaceAll(text, url, "URL")
		}
		fmt.Fprintf(w, "error: %s", text)
		if resp != nil {
			defer resp.Body.Close()
			b := make([]byte, 64)
			n, _ := resp.Body.Read(b)
			fmt.Fprintf(w, "; %d %s %q", resp.StatusCode, resp.Header.Get("Location"), b[:n])
		}
		return nil
	}
	fmt.Fprintf(w, "%d own=%s protocol=%s extensions=%s", resp.StatusCode, resp.Header.Get("X-Own"), c.Protocol(), c.Extensions())
	for _, step := range r.URL.Query()["do"] {
		fmt.Fprintf(w, "; %s", do(r.Context(), c, step))
	}
	return nil
}

func do(ctx context.Context, c *objects.Conn, step string) string {
	verb, arg, _ := strings.Cut(step, " ")
	switch verb {
	case "send":
		if err := c.Send(objects.Text(arg)); err != nil {
			return err.Error()
		}
		return "sent"
	case "sendbytes":
		n, _ := strconv.Atoi(arg)
		if err := c.Send(objects.Message{Data: make([]byte, n)}); err != nil {
			return err.Error()
		}
		return "sent"
	case "receive":
		return last(c.Receive(ctx))
	case "close":
		code, reason, _ := strings.Cut(arg, " ")
		n, _ := strconv.Atoi(code)
		return fmt.Sprint(c.Close(n, reason))
	case "state":
		n, err := c.ReadyState()
		return fmt.Sprint(n, " ", err)
	}
	return "what is " + verb + "?"
}
